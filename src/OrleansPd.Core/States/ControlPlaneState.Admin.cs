namespace OrleansPd.Core.States;

/// <summary>Operators' changes to the fleet, and engines' reports of their load.</summary>
public sealed partial class ControlPlaneState
{
    private readonly RetiredWorkers _retired;
    private readonly Dictionary<int, DateTimeOffset> _idleSince = [];
    private readonly Dictionary<int, EngineLoad> _loads = [];
    private readonly SortedDictionary<string, int> _targets = new(StringComparer.Ordinal);

    /// <summary>All workers, then those that were removed.</summary>
    public ImmutableArray<WorkerView> List() =>
        [.. Fleet.Workers.Select(View), .. _retired.All.Select(View)];

    /// <summary>All pools with a worker or a target size.</summary>
    public ImmutableArray<PoolView> Pools() =>
    [
        .. _fleet.Registered.Select(w => PoolName.Of(w.Spec)).Concat(_targets.Keys.Select(ParsePool)).Distinct()
            .OrderBy(p => p.Role).ThenBy(p => p.Model, StringComparer.Ordinal).Select(Pool),
    ];

    /// <summary>Sets the target size of a pool, and drains surplus workers if the request asks for it.</summary>
    public PoolAnswer Scale(PoolTarget request, DateTimeOffset now, long timestamp)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Problem is { } problem)
            return PoolAnswer.Failed(AdminProblem.Invalid, problem);
        var key = request.Pool.ToString();
        if (request.TargetSize is { } target && (_targets.ContainsKey(key) || _targets.Count < FleetRoster.MaxPools))
        {
            _targets[key] = target;
        }
        else if (request.TargetSize is null)
        {
            _targets.Remove(key);
        }
        else
        {
            return PoolAnswer.Failed(
                AdminProblem.Invalid, $"{FleetRoster.MaxPools} pools have a target size; take it from some first.");
        }
        var surplus = request.Surplus(MembersOf(request.Pool).Select(View));
        foreach (var id in surplus)
            StartLeaving(id, new WorkerInput.Drain(), now, timestamp);
        return PoolAnswer.Done(Pool(request.Pool), surplus);
    }

    /// <returns>Null when no worker with that name is registered or was removed lately.</returns>
    public WorkerView? View(WorkerId id) => Fleet.Workers.FirstOrDefault(w => w.Id == id) is { } worker ? View(worker)
        : _retired.All.FirstOrDefault(d => d.Worker.Id == id) is { } gone ? View(gone)
        : null;

    /// <summary>Takes a worker out of rotation. It is removed once it is idle, or at once if forced.</summary>
    public WorkerView? Remove(WorkerId id, bool force, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Find(id) is not null)
            StartLeaving(id, force ? new WorkerInput.Remove() : new WorkerInput.Drain(), now, timestamp);
        return View(id);
    }

    /// <summary>Takes a worker out of rotation until its engine has another role. False: not in its current state.</summary>
    public bool BeginSwitch(WorkerId id, WorkerRole role, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Find(id) is not { Stage: WorkerPhase.Ready or WorkerPhase.Probing })
            return false;
        StartLeaving(id, new WorkerInput.Switch(role), now, timestamp);
        return true;
    }

    /// <summary>Our legs and readiness checks on all registrations of a worker.</summary>
    public int InFlightAndChecks(WorkerId id) => _fleet.SlotsOf(id).Sum(OnSlot);

    /// <summary>Applies the report of a worker's engine on its load.</summary>
    public void Loaded(WorkerId id, EngineLoad load, DateTimeOffset now, long timestamp)
    {
        ArgumentNullException.ThrowIfNull(load);
        if (_fleet.Find(id) is not { } worker)
            return;
        _loads[worker.Slot] = load;
        if (load.Problem is null && _fleet.SnapshotOf(worker.Slot) is { } snapshot)
        {
            Admission.Catalog.Read(snapshot, load, now);
            if (!load.Ranks.IsEmpty)
            {
                var capacity = new WorkerInput.Capacity(load.Ranks.Min(r => r.MaxRunning), load.Ranks.Min(r => r.MaxTokens));
                _ = _fleet.Apply(worker.Slot, capacity, now);
            }
        }
        if (worker.Stage == WorkerPhase.Draining)
            EndDrains(now);
        PublishIfChanged(now, timestamp);
        Admission.Pump(now, timestamp);
    }

    private static PoolName ParsePool(string key) =>
        PoolName.TryParse(key, out var name) ? name : throw new InvalidOperationException($"'{key}' names no pool");

    private PoolView Pool(PoolName name) =>
        PoolView.Of(name, _targets.TryGetValue(name.ToString(), out var target) ? target : null, MembersOf(name));

    private IEnumerable<WorkerSnapshot> MembersOf(PoolName name) =>
        Fleet.Workers.Where(w => PoolName.Of(_fleet.At(w.Slot)!.Spec) == name);

    private int OnSlot(int slot) => Admission.Catalog.InFlight(slot) + (_checks.IsBusy(slot) ? 1 : 0);

    private void StartLeaving(WorkerId id, WorkerInput how, DateTimeOffset now, long timestamp)
    {
        var worker = _fleet.Find(id)!;
        if (worker.Stage != WorkerPhase.Draining)
            _idleSince[worker.Slot] = now;
        if (how is WorkerInput.Remove)
            Retire(worker.Slot, now, forced: true);
        else
            _ = _fleet.Apply(worker.Slot, how, now);
        PublishIfChanged(now, timestamp);
    }

    /// <summary>To be called when a leg or a check of ours has ended on a worker.</summary>
    private void LoadDropped(int slot, DateTimeOffset now)
    {
        if (OnSlot(slot) == 0)
            _idleSince[slot] = now;
        if (_fleet.At(slot) is { Stage: WorkerPhase.Draining })
            EndDrains(now);
    }

    private void EndDrains(DateTimeOffset now)
    {
        foreach (var worker in _fleet.Registered.Where(w => w is { Stage: WorkerPhase.Draining, SwitchTo: null }).ToArray())
        {
            if (SafetyOf(worker.Id, worker.Slot).IsSafe)
                Retire(worker.Slot, now, forced: false);
        }
    }

    private void Retire(int slot, DateTimeOffset now, bool forced)
    {
        var state = _fleet.At(slot)!;
        var snapshot = _fleet.SnapshotOf(slot)! with
        {
            ApiKey = null,
            Phase = WorkerPhase.Gone,
            Reason = forced ? "removed by force" : "drained and removed",
        };
        var safety = SafetyOf(state.Id, slot);
        _ = _fleet.Apply(slot, new WorkerInput.Remove(), now);
        _retired.Add(new RetiredWorker(snapshot, state.Spec.Cost, now, safety, forced));
        FreeSlotIfGone(slot);
    }

    private KillSafety SafetyOf(WorkerId id, int slot) =>
        KillSafety.Of(InFlightAndChecks(id), _idleSince.GetValueOrDefault(slot), _loads.GetValueOrDefault(slot));

    private WorkerView View(WorkerSnapshot worker)
    {
        var state = _fleet.At(worker.Slot)!;
        return new WorkerView
        {
            Worker = worker with { ApiKey = null },
            Cost = state.Spec.Cost,
            Since = state.Since,
            Ranks = [.. Enumerable.Range(0, Admission.Catalog.SetOf(worker.Slot) is null ? 0 : Admission.Catalog.Ranks(worker))
                .Select(Rank)],
            InFlight = InFlightAndChecks(worker.Id),
            Safety = worker.Phase == WorkerPhase.Draining ? SafetyOf(worker.Id, worker.Slot) : KillSafety.InRotation,
            SwitchTo = state.SwitchTo,
        };

        RankView Rank(int rank)
        {
            ref readonly var load = ref Admission.Catalog.Load(worker.Slot, rank);
            return new(rank, load.Running, load.Foreign, load.Capacity, load.Tokens);
        }
    }

    private WorkerView View(RetiredWorker gone)
    {
        var own = InFlightAndChecks(gone.Worker.Id);
        return new WorkerView
        {
            Worker = gone.Worker,
            Cost = gone.Cost,
            Since = gone.At,
            InFlight = own,
            // A worker that was removed by force was not monitored to its end: only our own legs are known.
            Safety = own > 0 ? KillSafety.Of(own, gone.At, null)
                : gone.Forced ? new(true, "removed by force; nothing of ours is in flight, its engine was not queried")
                : gone.Safety,
        };
    }
}
