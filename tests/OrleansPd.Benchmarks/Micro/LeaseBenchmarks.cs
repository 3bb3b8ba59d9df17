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
    private readonly RoomBook _rooms = new(new() { MaxRooms = 2_000_000 }, new RoomMint(1, 0));
    private WorkerSnapshot _worker = null!;

    [Params(1_000, 1_000_000)]
    public int Held { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var mint = new RoomMint(2, 0);
        for (var i = 0; i < Held; i++)
            _rooms.Table.Register(mint.Next(BenchFleet.Ranks, i % BenchFleet.Ranks), i % BenchFleet.Ranks, null, Now);
        _worker = BenchFleet.State(1, "least_load").Fleet.Prefill[0];
    }

    [Benchmark]
    public int OpenAndClose()
    {
        Close(_rooms.Open(_worker, 3, _worker, 1));
        return _rooms.Table.Stats.Held == Held ? Held : throw new InvalidOperationException("a room was lost");
    }

    [Benchmark]
    public RoomOwner? OpenQueryAndClose()
    {
        var rooms = _rooms.Open(_worker, 3, _worker, 1);
        var owner = _rooms.Table.Owner(rooms[0], Now) ?? throw new InvalidOperationException("the room is not known");
        Close(rooms);
        return owner;
    }

    private void Close(long[] rooms) =>
        _rooms.Close(new PairLease { Id = 1, Prefill = _worker, Decode = _worker, PrefillRank = 3, Rooms = rooms });
}
