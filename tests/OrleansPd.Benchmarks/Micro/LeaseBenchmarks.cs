using BenchmarkDotNet.Attributes;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>
/// A whole lease: admission, choice, rooms, and the reports of both legs. What is allocated is the lease and its list of rooms.
/// </summary>
public class LeaseBenchmarks
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 1, TimeSpan.Zero);
    private ControlPlaneState _state = null!;
    private PairRequest[] _requests = [];
    private int _next;

    [Params("round_robin", "least_load", "cache_aware")]
    public string Policy { get; set; } = "";

    [Params(4, 100)]
    public int Workers { get; set; }

    /// <summary>Blocks of a prompt, of which only <c>cache_aware</c> knows: 16 are some 2,000 tokens.</summary>
    [Params(16)]
    public int Blocks { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _state = BenchFleet.State(Workers, Policy);
        _requests = BenchFleet.Asked(new PromptBook(200), Blocks, new Random(1));
    }

    [Benchmark]
    public long AcquireAndReport()
    {
        ref readonly var request = ref _requests[_next++ & (BenchFleet.Requests - 1)];
        var lease = _state.Acquire(request, Now, _next).Grant?.Lease ?? throw new InvalidOperationException("no lease");
        _state.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded, Now, _next);
        _state.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded, Now, _next);
        return lease.Id;
    }
}

/// <summary>The room table with so many rooms in it already.</summary>
public class RoomBenchmarks
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 1, TimeSpan.Zero);
    private readonly RoomTable _table = new(TimeSpan.FromSeconds(120), 2_000_000);
    private readonly RoomMint _mint = new(1, 0);
    private readonly long[] _rooms = new long[1];
    private PairLease _lease = null!;

    [Params(1_000, 1_000_000)]
    public int Held { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        for (var i = 0; i < Held; i++)
        {
            _table.Register(_mint.Next(BenchFleet.Ranks, i % BenchFleet.Ranks), i % BenchFleet.Ranks, null, Now);
        }
        var worker = BenchFleet.State(1, "least_load").Fleet.Prefill[0];
        _lease = new PairLease { Id = 1, Prefill = worker, Decode = worker, PrefillRank = 3, Rooms = _rooms };
    }

    [Benchmark]
    public int OpenAndClose()
    {
        _mint.Fill(_rooms, BenchFleet.Ranks, 3);
        _table.Open(_lease, DpRankMode.Explicit);
        _table.Close(_lease);
        return _table.Count == Held ? Held : throw new InvalidOperationException("a room was lost");
    }

    [Benchmark]
    public RoomOwner? OpenAskAndClose()
    {
        _mint.Fill(_rooms, BenchFleet.Ranks, 3);
        _table.Open(_lease, DpRankMode.Explicit);
        var owner = _table.Owner(_rooms[0], Now) ?? throw new InvalidOperationException("the room is not known");
        _table.Close(_lease);
        return owner;
    }
}
