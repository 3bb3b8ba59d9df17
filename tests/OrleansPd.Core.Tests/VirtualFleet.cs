using OrleansPd.Core.Requests;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests;

/// <summary>
/// Engines in virtual time behind a real control plane: prefill ranks compute one prompt after the other and keep what they
/// computed until they need the room, decode steps take longer the more requests there are. Its figures are those of the
/// simulated engines' timing model.
/// </summary>
internal sealed class VirtualFleet
{
    public const int BlockTokens = 64;
    private const double PrefillTokensPerSecond = 6537;
    private const double PrefillOverhead = 0.010;
    private const double Transfer = 0.008;
    private const double StepBase = 0.020;
    private const double StepPerRequest = 0.00028;

    private readonly TestFleet _fleet;
    private readonly SharedPrefixWorkload _workload;
    private readonly PriorityQueue<Action, (double, int)> _events = new();
    private readonly Dictionary<(int, int), PrefillRank> _prefill = [];
    private readonly Dictionary<(int, int), int> _decode = [];
    private readonly DateTimeOffset _start;
    private readonly int[] _order;
    private readonly int _cacheBlocks;
    private double _now;
    private int _entered;
    private int _next;

    private VirtualFleet(string policy, SharedPrefixWorkload workload, int workers, int dp, int cacheTokens)
    {
        _workload = workload;
        _order = workload.Order();
        _cacheBlocks = cacheTokens / BlockTokens;
        _fleet = new TestFleet(new() { Policy = policy, DecodePolicy = "least_load" }, workload.Seed)
            .With(workers, workers, dp, slots: 256);
        _start = _fleet.Now;
    }

    /// <summary>Times to the first token in seconds, in the order of the requests.</summary>
    public double[] FirstToken { get; private set; } = [];

    /// <summary>Prompt tokens that were computed, of all there were.</summary>
    public double Computed { get; private set; }

    public double Seconds => _now;

    public double Mean => FirstToken.Average();

    public static VirtualFleet Run(
        string policy, SharedPrefixWorkload workload, int workers = 4, int dp = 2, int cacheTokens = 360_064)
    {
        var fleet = new VirtualFleet(policy, workload, workers, dp, cacheTokens);
        fleet.Run();
        return fleet;
    }

    private void Run()
    {
        FirstToken = new double[_workload.Count];
        for (var i = 0; i < Math.Min(_workload.Concurrency, _workload.Count); i++)
            At(0, Send);
        while (_events.TryDequeue(out var happen, out var when))
        {
            _now = when.Item1;
            _fleet.Now = _start.AddSeconds(_now);
            happen();
        }
        Computed /= (double)_workload.Count * _workload.PromptTokens;
    }

    private void Send()
    {
        var index = _next++;
        if (index >= _order.Length)
            return;
        var blocks = _workload.Blocks(index, _order[index], BlockTokens);
        var lease = _fleet.Take(new PairRequest
        {
            PromptTokens = _workload.PromptTokens,
            MaxNewTokens = _workload.AnswerTokens,
            PrefixBlocks = blocks,
        });
        var sent = _now;
        var rank = Get(_prefill, (lease.Prefill!.Slot, lease.PrefillRank), () => new PrefillRank(_cacheBlocks));
        rank.Queue.Enqueue((blocks, () =>
        {
            At(Transfer, () => _fleet.End(lease, LegSide.Prefill));
            At(Transfer, () => Decode(lease, index, sent));
        }
        ));
        Work(rank);
    }

    private void Work(PrefillRank rank)
    {
        if (rank.IsBusy || !rank.Queue.TryDequeue(out var job))
            return;
        rank.IsBusy = true;
        var cached = rank.Match(job.Blocks);
        var tokens = _workload.PromptTokens - (cached * BlockTokens);
        Computed += tokens;
        At(PrefillOverhead + (tokens / PrefillTokensPerSecond), () =>
        {
            rank.Insert(job.Blocks);
            rank.IsBusy = false;
            job.Done();
            Work(rank);
        });
    }

    private void Decode(PairLease lease, int index, double sent)
    {
        var key = (lease.Decode.Slot, lease.DecodeRank);
        _decode[key] = _decode.GetValueOrDefault(key) + 1;
        var step = StepBase + (_decode[key] * StepPerRequest);
        FirstToken[index] = _now + step - sent;
        At(step * _workload.AnswerTokens, () =>
        {
            _decode[key]--;
            _fleet.End(lease, LegSide.Decode);
            Send();
        });
    }

    private void At(double after, Action happen) => _events.Enqueue(happen, (_now + after, _entered++));

    private static T Get<T>(Dictionary<(int, int), T> all, (int, int) key, Func<T> create)
    {
        if (!all.TryGetValue(key, out var found))
            all.Add(key, found = create());
        return found;
    }

    private sealed class PrefillRank(int capacity)
    {
        private readonly Dictionary<ulong, LinkedListNode<ulong>> _cached = [];
        private readonly LinkedList<ulong> _byUse = new();

        public Queue<(ulong[] Blocks, Action Done)> Queue { get; } = [];

        public bool IsBusy { get; set; }

        public int Match(ulong[] blocks)
        {
            var count = 0;
            while (count < blocks.Length && _cached.ContainsKey(blocks[count]))
                count++;
            return count;
        }

        public void Insert(ulong[] blocks)
        {
            for (var i = blocks.Length - 1; i >= 0; i--)
            {
                if (_cached.Remove(blocks[i], out var known))
                {
                    _byUse.Remove(known);
                }
                else if (_cached.Count >= capacity)
                {
                    _cached.Remove(_byUse.First!.Value);
                    _byUse.RemoveFirst();
                }
                _cached[blocks[i]] = _byUse.AddLast(blocks[i]);
            }
        }
    }
}
