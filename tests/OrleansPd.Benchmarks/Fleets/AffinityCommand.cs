using System.Globalization;
using System.Text.Json;
using OrleansPd.Benchmarks.Micro;
using OrleansPd.Core.Load;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Routing;
using OrleansPd.Core.Workers;

namespace OrleansPd.Benchmarks.Fleets;

/// <summary>
/// <c>affinity [TRACE] [--gateways N] [--workers N] [--cache TOKENS] [--speed N]</c>: what several gateways lose when each remembers
/// prefixes for itself, and what it costs to tell each other. The real policies over a modelled time: each prefill worker keeps
/// prompts in a cache of least recent use and computes what it lacks, one request after the other; each request comes to a
/// gateway by chance. Loads are known to all, as reports make them in a cluster. Writes the table of docs/cluster.md.
/// </summary>
internal static class AffinityCommand
{
    /// <summary>A block is 512 bytes of a prompt.</summary>
    private const int BlockTokens = 128;

    /// <summary>
    /// Prompt tokens that a worker computes in a second: of the order of one H100 with a model of 70 billion parameters.
    /// </summary>
    private const double TokensPerSecond = 8000;

    private const double BaseSeconds = 0.005;

    private static readonly Variant[] Variants =
    [
        new("one gateway", IsOne: true),
        new("each for itself"),
        new("taken after 0.5 s", TellAfter: 0.5),
        new("taken after 5 s", TellAfter: 5),
        new("`consistent_hashing`", Policy: "consistent_hashing"),
        new("`least_load`", Policy: "least_load"),
    ];

    public static int Run(Arguments arguments)
    {
        var gateways = (int)arguments.Number("--gateways", 4);
        var workers = (int)arguments.Number("--workers", 8);
        foreach (var (title, asks) in Workloads(arguments))
        {
            Console.WriteLine($"\n### {title}: {asks.Length} requests, {gateways} gateways, {workers} prefill workers\n");
            Console.WriteLine("| prefixes | prompt tokens cached | mean TTFT ms | p50 | p99 | taken, bytes a request |");
            Console.WriteLine("|---|---:|---:|---:|---:|---:|");
            foreach (var variant in Variants)
            {
                var run = new Simulation(
                    variant, workers, variant.IsOne ? 1 : gateways, (int)arguments.Number("--cache", 400_000) / BlockTokens);
                Console.WriteLine(run.Row(asks, arguments.Number("--speed", 1)));
            }
        }
        return 0;
    }

    private static IEnumerable<(string Title, Ask[] Asks)> Workloads(Arguments arguments)
    {
        yield return ("Conversations", Conversations(new Random(1)));
        if (arguments.Words is [var trace, ..])
            yield return (Path.GetFileName(trace), [.. File.ReadLines(trace).Select(Read)]);
    }

    /// <summary>
    /// A line of a Mooncake trace: blocks of 512 tokens by number, a number standing for all that comes before, too.
    /// </summary>
    private static Ask Read(string line)
    {
        using var row = JsonDocument.Parse(line);
        var ids = row.RootElement.GetProperty("hash_ids").EnumerateArray().Select(id => id.GetUInt64());
        return new Ask(
            row.RootElement.GetProperty("timestamp").GetDouble() / 1000,
            [.. ids.SelectMany(id => Enumerable.Range(1, 4).Select(part => Hash.Mix((id * 4) + (ulong)part) | 1))]);
    }

    /// <summary>
    /// A thousand conversations of 1 to 11 turns in ten minutes, each after one of four system prompts of 2,048 tokens.
    /// </summary>
    private static Ask[] Conversations(Random random)
    {
        var asks = new List<Ask>();
        for (var conversation = 100UL; conversation < 1100; conversation++)
        {
            var at = random.NextDouble() * 600;
            var system = (ulong)random.Next(4);
            var blocks = Enumerable.Range(1, 16).Select(i => Hash.Mix((system << 32) + (ulong)i) | 1).ToList();
            for (var turns = random.Next(1, 12); turns > 0; turns--)
            {
                for (var more = random.Next(2, 16); more > 0; more--)
                    blocks.Add(Hash.Mix((conversation << 32) + (ulong)blocks.Count) | 1);
                asks.Add(new Ask(at, [.. blocks]));
                at += 5 + (random.NextDouble() * 40);
            }
        }
        return [.. asks.OrderBy(ask => ask.At)];
    }

    private sealed record Ask(double At, ulong[] Blocks);

    /// <param name="TellAfter">Seconds until the others know; negative = they are not taken.</param>
    private sealed record Variant(string Name, string Policy = "cache_aware", bool IsOne = false, double TellAfter = -1);

    private sealed class Simulation
    {
        private readonly Variant _variant;
        private readonly Random _random = new(7);
        private readonly LoadTable _loads = new();
        private readonly RankSet _set;
        private readonly (PickPolicy Policy, AffinityUpdates Updates)[] _gateways;
        private readonly Cache[] _caches;
        private readonly double[] _busyUntil;
        private readonly PriorityQueue<Action, double> _later = new();
        private readonly List<double> _times = [];
        private long _hits;
        private long _blocks;
        private long _toldWords;

        public Simulation(Variant variant, int workers, int gateways, int cacheBlocks)
        {
            _variant = variant;
            var options = BenchFleet.Options(variant.Policy);
            var catalog = new PairCatalog(options, _loads);
            catalog.Update(new FleetSnapshot(
                1, [.. Enumerable.Range(0, workers + 1).Select(slot => Worker(slot, slot < workers))]));
            _set = catalog.SetOf(0)!;
            for (var slot = 0; slot < workers; slot++)
            {
                _loads.Add(slot, 0, 0, 0);
                _set.Rescore(_set.Leaf(slot, 0));
            }
            _gateways = [.. Enumerable.Range(0, gateways).Select(_ =>
            {
                var updates = new AffinityUpdates();
                var policy = PolicyTable.Create(variant.Policy, options);
                policy.Updates = updates;
                return (policy, updates);
            })];
            _caches = [.. Enumerable.Range(0, workers).Select(_ => new Cache(cacheBlocks))];
            _busyUntil = new double[workers];
        }

        public string Row(Ask[] asks, double speed)
        {
            foreach (var ask in asks)
            {
                var now = ask.At / speed;
                while (_later.TryPeek(out var act, out var at) && at <= now)
                {
                    _later.Dequeue();
                    act();
                }
                Serve(ask.Blocks, now);
            }
            _times.Sort();
            return string.Create(CultureInfo.InvariantCulture,
                $"| {_variant.Name} | {(double)_hits / _blocks:0.0 %} | {_times.Average() * 1000:0} | {At(0.5):0} | {At(0.99):0} | {(_variant.TellAfter < 0 ? 0 : _toldWords * 8.0 / asks.Length):0} |");

            double At(double share) => _times[(int)(_times.Count * share)] * 1000;
        }

        private static WorkerSnapshot Worker(int slot, bool isPrefill) => new()
        {
            Id = new WorkerId($"http://10.0.0.{slot}:30000"),
            Url = new Uri($"http://10.0.0.{slot}:30000"),
            Role = isPrefill ? WorkerRole.Prefill : WorkerRole.Decode,
            Phase = WorkerPhase.Ready,
            Epoch = 1,
            Slot = slot,
            Facts = BenchFleet.Facts with { DpSize = 1 },
            Model = "m",
            TransferGroup = "g",
        };

        private void Serve(ulong[] blocks, double now)
        {
            var (policy, updates) = _gateways[_random.Next(_gateways.Length)];
            var tokens = blocks.Length * (long)BlockTokens;
            var request = new PairRequest { PromptTokens = tokens, PrefixBlocks = blocks };
            var leaf = policy.Pick(_set, request, new PickScope(1, tokens, -1, _random));
            var (slot, uncached) = (_set.Slot(leaf), policy.Uncached(_set, leaf, request, tokens));
            policy.Picked(_set, leaf, request);
            Publish(policy, updates, now);
            _loads.Add(slot, 0, 1, uncached);
            _set.CountUse(leaf, uncached);
            var hits = _caches[slot].Use(blocks);
            (_hits, _blocks) = (_hits + hits, _blocks + blocks.Length);
            var end = _busyUntil[slot] = Math.Max(now, _busyUntil[slot]) + BaseSeconds
                + ((blocks.Length - hits) * BlockTokens / TokensPerSecond);
            _times.Add(end - now);
            _later.Enqueue(() =>
            {
                _loads.Add(slot, 0, -1, -uncached);
                _set.Rescore(leaf);
            }, end);
        }

        private void Publish(PickPolicy by, AffinityUpdates updates, double now)
        {
            if (updates.Take(slot => _set.Workers[slot]?.Id) is not { } taken || _variant.TellAfter < 0)
                return;
            _toldWords += taken.Words.Length;
            _later.Enqueue(() =>
            {
                foreach (var (policy, _) in _gateways.Where(g => g.Policy != by))
                    AffinityUpdates.Read(taken, (worker, _, rank, keys) => policy.Learn(_set, LeafOf(worker, rank), keys));
            }, now + _variant.TellAfter);
        }

        private int LeafOf(WorkerId worker, int rank)
        {
            foreach (var known in _set.Workers)
            {
                if (known?.Id == worker)
                    return _set.Leaf(known.Slot, rank);
            }
            throw new InvalidOperationException($"{worker} is none of these");
        }
    }

    /// <summary>An engine's radix cache, as far as it matters here: blocks, the least recently used one goes.</summary>
    private sealed class Cache(int capacity)
    {
        private readonly Dictionary<ulong, LinkedListNode<ulong>> _nodes = [];
        private readonly LinkedList<ulong> _order = [];

        /// <returns>Blocks at the prompt's beginning that were there.</returns>
        public int Use(ulong[] blocks)
        {
            var (hits, isUnbroken) = (0, true);
            foreach (var block in blocks)
            {
                if (_nodes.TryGetValue(block, out var node))
                {
                    _order.Remove(node);
                    _order.AddFirst(node);
                    hits += isUnbroken ? 1 : 0;
                    continue;
                }
                isUnbroken = false;
                _nodes[block] = _order.AddFirst(block);
                if (_nodes.Count > capacity)
                {
                    _nodes.Remove(_order.Last!.Value);
                    _order.RemoveLast();
                }
            }
            return hits;
        }
    }
}
