using System.Collections.Concurrent;
using System.Collections.Immutable;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Support;

/// <summary>
/// A control plane without rules: pairs in turn, rooms that fit the rank, no admission. It keeps account of every leg, so that a
/// test can say that each ended exactly once.
/// </summary>
internal sealed class FixedControlPlane : IControlPlane
{
    private readonly ConcurrentDictionary<(long Lease, LegSide Side), LegOutcome> _ended = new();
    private readonly ConcurrentQueue<PairRequest> _requests = new();
    private readonly ConcurrentQueue<PairLease> _leases = new();
    private long _next;
    private long _room;
    private int _openLegs;

    public FixedControlPlane(params SimulatedEngine[] engines)
    {
        Fleet = new FleetSnapshot(1, [.. engines.Select(Worker)]);
    }

    public FixedControlPlane(ImmutableArray<WorkerSnapshot> workers)
    {
        Fleet = new FleetSnapshot(1, workers);
    }

    public FleetSnapshot Fleet { get; set; }

    public Refusal? Refuse { get; set; }

    /// <summary>Rooms that the next leases get, whatever may be wrong with them.</summary>
    public ConcurrentQueue<long> Forced { get; } = new();

    public IReadOnlyCollection<PairRequest> Requests => _requests;

    public IReadOnlyCollection<PairLease> Leases => _leases;

    public int OpenLegs => Volatile.Read(ref _openLegs);

    public static WorkerSnapshot Worker(SimulatedEngine engine, int slot) => new()
    {
        Id = new WorkerId(engine.Url.Authority),
        Url = engine.Url,
        Role = engine.Options.Role switch
        {
            EngineRole.Prefill => WorkerRole.Prefill,
            EngineRole.Decode => WorkerRole.Decode,
            _ => WorkerRole.Regular,
        },
        Phase = WorkerPhase.Ready,
        Epoch = 1,
        Slot = slot,
        Model = engine.Options.ServedModelName,
        Facts = new WorkerFacts { DpSize = engine.Options.DpSize, ContextLength = engine.Options.ContextLength },
        BootstrapHost = engine.Options.Host,
        BootstrapPort = engine.BootstrapPort,
        ApiKey = engine.Options.ApiKey,
    };

    public ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken)
    {
        _requests.Enqueue(request);
        if (Refuse is { } refusal)
            return new(PairGrant.Refused(refusal));
        var id = Interlocked.Increment(ref _next);
        if (Fleet.Prefill.IsEmpty || request.OnlyRegular)
            return Grant(new PairLease { Id = id, Decode = Choose(Fleet.Regular, request.AvoidDecode, id), Rooms = default });
        var prefill = Choose(Fleet.Prefill, request.AvoidPrefill, id);
        var decode = Choose(Fleet.Decode, request.AvoidDecode, id);
        var p = (int)(id % prefill.DpSize);
        var d = (int)(id % decode.DpSize);
        var rooms = new long[request.Items];
        for (var i = 0; i < rooms.Length; i++)
        {
            rooms[i] = (1L << 53) + 1 + (Interlocked.Increment(ref _room) * prefill.DpSize) + p;
            rooms[i] -= ((rooms[i] % prefill.DpSize) - p + prefill.DpSize) % prefill.DpSize;
            rooms[i] = Forced.TryDequeue(out var forced) ? forced : rooms[i];
        }
        return Grant(new PairLease
        {
            Id = id,
            Prefill = prefill,
            PrefillRank = p,
            Decode = decode,
            DecodeRank = d,
            Rooms = rooms,
            PrefillTarget = new(prefill.BootstrapHost, prefill.BootstrapPort, p, p),
            DecodeTarget = new(prefill.BootstrapHost, prefill.BootstrapPort, d, p),
            Why = "in turn",
        });
    }

    public void LegEnded(PairLease lease, LegSide side, LegOutcome outcome)
    {
        Assert.True(_ended.TryAdd((lease.Id, side), outcome), $"the {side} leg of lease {lease.Id} ended twice");
        Interlocked.Decrement(ref _openLegs);
    }

    public LegOutcome? OutcomeOf(PairLease lease, LegSide side) =>
        _ended.TryGetValue((lease.Id, side), out var outcome) ? outcome : null;

    public ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken) =>
        new(RankRegistration.Stored);

    public ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken)
    {
        ranks.Span.Fill(-1);
        return ValueTask.CompletedTask;
    }

    private static WorkerSnapshot Choose(ImmutableArray<WorkerSnapshot> workers, WorkerId avoid, long turn) =>
        workers.Length > 1 && workers[(int)(turn % workers.Length)].Id == avoid
            ? workers[(int)((turn + 1) % workers.Length)]
            : workers[(int)(turn % workers.Length)];

    private ValueTask<PairGrant> Grant(PairLease lease)
    {
        Interlocked.Add(ref _openLegs, lease.IsRegular ? 1 : 2);
        _leases.Enqueue(lease);
        return new(PairGrant.Granted(lease));
    }
}
