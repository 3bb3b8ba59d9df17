using System.Collections.Immutable;
using OrleansPd.Core.Admission;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>
/// The control plane of one gateway in a cluster as state and transitions: admission and rooms as in one process, with a fleet
/// that others tell of and windows that are credits granted by the workers' writers. It asks nobody on a request's path. It has
/// one writer: its host calls it under one lock, and reads <see cref="Fleet"/> anywhere.
/// </summary>
public sealed class GatewayState
{
    private readonly ControlPlaneOptions _options;
    private readonly GatewayLimits _limits;
    private readonly TrackedFleet _fleet;
    private readonly PairAdmission _admission;
    private readonly RoomTable _rooms;
    private readonly AffinityUpdates _news = new();
    private readonly StallScan _stalls = new();
    private readonly string _gateway;
    private FleetSnapshot _shown = FleetSnapshot.Empty;
    private DateTimeOffset _beat;

    /// <param name="options">What the operator wants.</param>
    /// <param name="limits">When it distrusts its credits.</param>
    /// <param name="gateway">Names this life of this gateway.</param>
    /// <param name="mint">Makes the rooms; no other gateway has its prefix.</param>
    /// <param name="seed">Of the choices that are left to chance.</param>
    /// <exception cref="ArgumentException">A policy's name is wrong.</exception>
    public GatewayState(ControlPlaneOptions options, GatewayLimits limits, string gateway, RoomMint mint, int seed)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(limits);
        _options = options;
        _limits = limits;
        _gateway = gateway;
        _fleet = new TrackedFleet(options.PdFallback || options.PdMinUncachedTokens > 0);
        _admission = new PairAdmission(options, _fleet, mint, new Random(seed), leased: true, _news);
        _rooms = new RoomTable(TimeSpan.FromSeconds(options.RoomTtlSecs), options.MaxRooms);
    }

    /// <summary>The newest snapshot; safe to read from any thread.</summary>
    public FleetSnapshot Fleet => Volatile.Read(ref _shown);

    /// <summary>True when a policy reads <see cref="PairRequest.PrefixBlocks"/>.</summary>
    public bool NeedsPrefix => _admission.NeedsPrefix;

    /// <summary>Leases of which a leg still runs.</summary>
    public int Live => _admission.Live;

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting => _admission.Waiting;

    public RoomStats Rooms => _rooms.Stats;

    /// <summary>Workers to be told of us, those that are gone and not idle yet included.</summary>
    public IReadOnlyList<(WorkerId Id, long Registration)> Tracked => [.. _fleet.All.Select(w => (w.Id, w.Report.Registration))];

    /// <summary>Takes the newest reports of all workers; those that are not among them are gone.</summary>
    /// <returns>False when they tell nothing new.</returns>
    public bool Take(ImmutableArray<WorkerReport> reports, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Take(reports) is not { } news)
        {
            return false;
        }
        foreach (var slot in news)
        {
            _admission.Forget(slot);
            _rooms.Forget(slot);
        }
        ShowFleet(now);
        foreach (var worker in _fleet.Workers.Where(w => w.Report.Shown.Facts != WorkerFacts.Unknown))
        {
            Resize(worker);
        }
        ForgetIdle();
        _admission.Pump(now, timestamp);
        return true;
    }

    /// <summary>What the policies have learned since the last call, for the other gateways; null = nothing.</summary>
    /// <param name="all">From now on tell what is known already, too: somebody has joined who knows nothing.</param>
    public AffinityUpdate? TakeUpdates(bool all)
    {
        _news.PublishesAll = all;
        return _news.Take(slot => _fleet.At(slot)?.Id);
    }

    /// <summary>Takes what another gateway's policies have learned.</summary>
    /// <returns>Keys on ranks that are known here.</returns>
    public int Learn(AffinityUpdate told)
    {
        ArgumentNullException.ThrowIfNull(told);
        var keys = 0;
        AffinityUpdates.Read(told, (worker, side, rank, found) =>
        {
            if (_fleet.SlotOf(worker) is >= 0 and var slot && _admission.Learn(side, slot, rank, found))
            {
                keys += found.Length;
            }
        });
        return keys;
    }

    public AcquireAnswer Acquire(in PairRequest request, DateTimeOffset now, long timestamp)
    {
        if (now - _beat > _limits.Frozen)
        {
            Distrust();
        }
        var answer = _admission.Acquire(request, now, timestamp);
        if (answer.Grant?.Lease is { } lease)
        {
            _rooms.Open(lease, _options.DpRanks);
        }
        return answer;
    }

    /// <summary>Ends the wait of a request whose caller left. False: it has its outcome already.</summary>
    public bool Abandon(WaitingRequest waiting, DateTimeOffset now, long timestamp) =>
        _admission.Abandon(waiting, now, timestamp);

    /// <summary>Ends a wait that was too long, with a refusal as its outcome. False: it has its outcome already.</summary>
    public bool TimedOut(WaitingRequest waiting, DateTimeOffset now, long timestamp) =>
        _admission.TimedOut(waiting, now, timestamp);

    /// <summary>Moves the requests whose wait ended with an outcome to the caller's list.</summary>
    public void TakeGranted(List<WaitingRequest> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        var first = into.Count;
        _admission.TakeGranted(into);
        for (var i = first; i < into.Count; i++)
        {
            if (into[i].Grant?.Lease is { } lease)
            {
                _rooms.Open(lease, _options.DpRanks);
            }
        }
    }

    /// <returns>False when that leg had been reported before, or the lease is not of this state.</returns>
    public bool LegEnded(PairLease lease, LegSide side, LegOutcome outcome, DateTimeOffset now, long timestamp)
    {
        if (lease is not HeldLease held || !_admission.Release(held, side, now, timestamp))
        {
            return false;
        }
        if (held.Ended)
        {
            _rooms.Close(held);
        }
        var worker = side == LegSide.Prefill ? held.Prefill! : held.Decode;
        if (outcome == LegOutcome.Succeeded)
        {
            _stalls.Moved(worker.Slot, timestamp);
        }
        if (_fleet.At(worker.Slot) is { } followed && followed.Id == worker.Id)
        {
            followed.Ended(new(outcome, 1), worker.Epoch);
            followed.IsUrgent |= outcome == LegOutcome.Failed || followed.IsTight;
        }
        ForgetIdle();
        return true;
    }

    /// <summary>Whether the worker's writer should be told now rather than at the next beat.</summary>
    public bool IsUrgent(WorkerId id, long registration) => Find(id, registration) is { } worker && IsUrgent(worker);

    /// <summary>The same, by the worker's slot in <see cref="Fleet"/>.</summary>
    public bool IsUrgent(int slot) => _fleet.At(slot) is { } worker && IsUrgent(worker);

    /// <summary>
    /// What is to be told to a worker's writer. It stays to be told until <see cref="Answered"/>. Null: no such worker.
    /// </summary>
    public GatewayReport? Tell(WorkerId id, long registration, long timestamp, long frequency)
    {
        if (Find(id, registration) is not { } worker)
        {
            return null;
        }
        worker.Pack();
        worker.IsUrgent = false;
        var wanted = worker.Report.Shown.IsPairable ? _admission.Waiting : 0; // whoever waits may need any of them
        var ranks = ImmutableArray.CreateBuilder<RankClaim>(worker.Ranks);
        for (var rank = 0; rank < worker.Ranks; rank++)
        {
            ref readonly var load = ref _admission.Load(worker.Slot, rank);
            ranks.Add(new RankClaim(
                Math.Max(load.Window, load.Running), load.Running, wanted, _admission.TakePeak(worker.Slot, rank), load.Tokens));
        }
        var ages = _stalls.Ages(_admission.Leases, _fleet, timestamp);
        return new GatewayReport
        {
            Claim = new CreditClaim
            {
                Gateway = _gateway,
                Sequence = ++worker.Sequence,
                Ledger = worker.Ledger,
                Ranks = ranks.MoveToImmutable(),
            },
            Registration = registration,
            Epoch = worker.OutcomesEpoch,
            Batch = worker.Batch,
            Outcomes = [.. worker.Sent],
            Stalled = TimeSpan.FromSeconds(worker.Slot < ages.Length ? (double)ages[worker.Slot] / frequency : 0),
            Rids = Rids(worker.Slot),
        };
    }

    /// <summary>Takes the answer to the last report. What it grants is valid from when that was sent.</summary>
    public void Answered(
        WorkerId id, GatewayReport report, ReportAnswer answer, DateTimeOffset sentAt, DateTimeOffset now, long timestamp)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(answer);
        if (Find(id, report.Registration) is not { } worker || report.Claim.Sequence != worker.Sequence)
        {
            return;
        }
        if (answer.Grant is not { } grant || grant.Ledger < worker.Ledger || now - sentAt > _limits.Frozen)
        {
            return; // overtaken, from a former life of the writer, or so old that we may be taken for dead
        }
        worker.Acknowledged(answer.Batch);
        (worker.Ledger, worker.ValidUntil, worker.IsTight) = (grant.Ledger, sentAt + grant.ValidFor, grant.IsTight);
        var less = false;
        worker.HasLess = grant.Ranks.Any(r => r.Credits < r.Share);
        for (var rank = 0; rank < Math.Min(worker.Ranks, grant.Ranks.Length); rank++)
        {
            var given = grant.Ranks[rank];
            var before = _admission.Load(worker.Slot, rank).Window;
            less |= given.Credits < before;
            _admission.Lease(worker.Slot, rank, given.Credits, given.Share, given.Others, given.OthersTokens);
        }
        if (!worker.IsArmed && report.Claim.Sequence > worker.UsableSince)
        {
            _fleet.Arm(worker);
            ShowFleet(now);
        }
        // What was just given up is somebody else's only once the writer hears of it.
        worker.IsUrgent |= less || worker.Ranks != grant.Ranks.Length;
        _admission.Pump(now, timestamp);
    }

    /// <summary>To be called several times a second: a gap says that the process did not run.</summary>
    public void SharedTick(DateTimeOffset now, long timestamp)
    {
        if (_beat != default && now - _beat > _limits.Frozen)
        {
            Distrust();
        }
        _beat = now;
        foreach (var worker in _fleet.All.Where(w => now >= w.ValidUntil))
        {
            Close(worker);
        }
        _rooms.Sweep(now);
        _admission.Pump(now, timestamp);
    }

    /// <summary>The caches of a worker's engine are empty.</summary>
    public void CachesFlushed(WorkerId id)
    {
        if (_fleet.Find(id) is { } worker)
        {
            _admission.ForgetCaches(worker.Slot);
        }
    }

    /// <summary>Refuses all that waits and all that comes; leases in flight live on.</summary>
    public void Stop() => _admission.Stop();

    /// <summary>
    /// A registration of a room that a live lease of ours pins: judged here. Null: nothing is known of the room.
    /// </summary>
    public RankRegistration? Register(long room, int rank, DateTimeOffset now) =>
        _rooms.Owner(room, now) is null ? null : _rooms.Register(room, rank, null, now);

    /// <summary>Who owns a room that this gateway leased or knows of; null where unknown.</summary>
    public RoomOwner? OwnerOf(long room, DateTimeOffset now) => _rooms.Owner(room, now);

    private bool IsUrgent(TrackedWorker worker) =>
        worker.IsUrgent || (worker.IsTight && (_admission.Waiting > 0 || worker.HasChanges || worker.HasLess));

    private TrackedWorker? Find(WorkerId id, long registration) =>
        _fleet.All.FirstOrDefault(w => w.Id == id && w.Report.Registration == registration);

    private void ShowFleet(DateTimeOffset now)
    {
        _admission.Take(_fleet.Snapshot, now);
        Volatile.Write(ref _shown, _fleet.Snapshot);
    }

    private void Resize(TrackedWorker worker)
    {
        var ranks = _admission.Catalog.Ranks(worker.Report.Shown);
        if (ranks != worker.Ranks)
        {
            worker.Ranks = ranks;
            worker.IsUrgent = true;
        }
    }

    /// <summary>Starts nothing more on any credit until its writer has confirmed it.</summary>
    private void Distrust()
    {
        foreach (var worker in _fleet.All)
        {
            Close(worker);
        }
    }

    private void Close(TrackedWorker worker)
    {
        for (var rank = 0; rank < worker.Ranks; rank++)
        {
            ref readonly var load = ref _admission.Load(worker.Slot, rank);
            if (load.Window > 0)
            {
                _admission.Lease(worker.Slot, rank, 0, load.Largest, load.Others, load.OthersTokens);
                worker.IsUrgent = true;
            }
        }
    }

    private void ForgetIdle()
    {
        if (!_fleet.AnyGone)
        {
            return;
        }
        foreach (var gone in _fleet.All.Where(w => w.IsGone && _admission.InFlight(w.Slot) == 0).ToArray())
        {
            for (var rank = 0; rank < gone.Ranks; rank++)
            {
                _admission.Lease(gone.Slot, rank, 0, 0, 0, 0);
            }
            _fleet.Forget(gone.Slot);
        }
    }

    /// <summary>The ids of all that is in flight, by worker.</summary>
    public IReadOnlyDictionary<WorkerId, ImmutableArray<string>.Builder> LiveRids()
    {
        var live = new Dictionary<WorkerId, ImmutableArray<string>.Builder>();
        for (var lease = _admission.Leases; lease is not null; lease = lease.Next)
        {
            if (!lease.DecodeEnded)
            {
                Add(lease.Decode.Id, lease.Rids);
            }
            if (!lease.PrefillEnded)
            {
                Add(lease.Prefill!.Id, lease.Rids);
            }
        }
        return live;

        void Add(WorkerId worker, IReadOnlyList<string> rids)
        {
            if (!live.TryGetValue(worker, out var all))
            {
                live.Add(worker, all = ImmutableArray.CreateBuilder<string>());
            }
            all.AddRange(rids);
        }
    }

    private ImmutableArray<string> Rids(int slot)
    {
        var rids = ImmutableArray.CreateBuilder<string>();
        for (var lease = _admission.Leases; lease is not null; lease = lease.Next)
        {
            if ((!lease.DecodeEnded && lease.Decode.Slot == slot) || (!lease.PrefillEnded && lease.Prefill!.Slot == slot))
            {
                rids.AddRange(lease.Rids);
            }
        }
        return rids.ToImmutable();
    }
}
