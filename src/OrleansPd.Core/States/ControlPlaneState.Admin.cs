using System.Collections.Immutable;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>What operators do to the fleet, and what engines tell of their load.</summary>
public sealed partial class ControlPlaneState
{
    private readonly RetiredWorkers _retired;
    private readonly Dictionary<int, DateTimeOffset> _idleSince = [];
    private readonly Dictionary<int, EngineLoad> _told = [];
    private readonly SortedDictionary<string, int> _wanted = new(StringComparer.Ordinal);

    /// <summary>All workers, then those that were removed.</summary>
    public ImmutableArray<WorkerView> List() =>
        [.. Fleet.Workers.Select(View), .. _retired.All.Select(View)];

    /// <summary>All pools with a worker or a wanted size.</summary>
    public ImmutableArray<PoolView> Pools() =>
    [
        .. _fleet.Registered.Select(w => PoolName.Of(w.Spec)).Concat(_wanted.Keys.Select(Parsed)).Distinct()
            .OrderBy(p => p.Role).ThenBy(p => p.Model, StringComparer.Ordinal).Select(Pool),
    ];

    /// <summary>Says how many workers a pool should have, and drains those beyond where that is wished.</summary>
    public PoolAnswer Scale(PoolTarget wish, DateTimeOffset now, long timestamp)
    {
        ArgumentNullException.ThrowIfNull(wish);
        if (wish.Problem is { } problem)
        {
            return PoolAnswer.Failed(AdminProblem.Invalid, problem);
        }
        var key = wish.Pool.ToString();
        if (wish.Wanted is { } wanted && (_wanted.ContainsKey(key) || _wanted.Count < FleetRoster.MostPools))
        {
            _wanted[key] = wanted;
        }
        else if (wish.Wanted is null)
        {
            _wanted.Remove(key);
        }
        else
        {
            return PoolAnswer.Failed(
                AdminProblem.Invalid, $"{FleetRoster.MostPools} pools have a wanted size; take it from some first.");
        }
        var surplus = wish.Surplus(MembersOf(wish.Pool).Select(View));
        foreach (var id in surplus)
        {
            Leave(id, new WorkerInput.Drain(), now, timestamp);
        }
        return PoolAnswer.Done(Pool(wish.Pool), surplus);
    }

    /// <returns>Null when there is no worker of that name, neither registered nor removed a while ago.</returns>
    public WorkerView? View(WorkerId id) =>
        Fleet.Workers.FirstOrDefault(w => w.Id == id) is { } worker ? View(worker)
        : _retired.All.FirstOrDefault(d => d.Worker.Id == id) is { } gone ? View(gone)
        : null;

    /// <summary>Takes a worker out of rotation. It is gone when nothing is left on it, or at once.</summary>
    public WorkerView? Remove(WorkerId id, bool force, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Find(id) is not null)
        {
            Leave(id, force ? new WorkerInput.Remove() : new WorkerInput.Drain(), now, timestamp);
        }
        return View(id);
    }

    /// <summary>Takes a worker out of rotation until its engine has another role. False: not in its present state.</summary>
    public bool BeginSwitch(WorkerId id, WorkerRole role, DateTimeOffset now, long timestamp)
    {
        if (_fleet.Find(id) is not { Stage: WorkerPhase.Ready or WorkerPhase.Probing })
        {
            return false;
        }
        Leave(id, new WorkerInput.Switch(role), now, timestamp);
        return true;
    }

    /// <summary>Our legs and trials on all registrations of a worker.</summary>
    public int OnWorker(WorkerId id) => _fleet.SlotsOf(id).Sum(OnSlot);

    /// <summary>Takes what a worker's engine told of its load.</summary>
    public void Loaded(WorkerId id, EngineLoad load, DateTimeOffset now, long timestamp)
    {
        ArgumentNullException.ThrowIfNull(load);
        if (_fleet.Find(id) is not { } worker)
        {
            return;
        }
        _told[worker.Slot] = load;
        if (load.Problem is null && _fleet.Shown(worker.Slot) is { } shown)
        {
            _admission.Read(shown, load, now);
            if (!load.Ranks.IsEmpty)
            {
                var capacity = new WorkerInput.Capacity(load.Ranks.Min(r => r.MaxRunning), load.Ranks.Min(r => r.MaxTokens));
                _ = _fleet.Apply(worker.Slot, capacity, now);
            }
        }
        if (worker.Stage == WorkerPhase.Draining)
        {
            EndDrains(now);
        }
        Changed(now, timestamp);
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

    private static PoolName Parsed(string key) =>
        PoolName.TryParse(key, out var name) ? name : throw new InvalidOperationException($"'{key}' names no pool");

    private PoolView Pool(PoolName name) =>
        PoolView.Of(name, _wanted.TryGetValue(name.ToString(), out var wanted) ? wanted : null, MembersOf(name));

    private IEnumerable<WorkerSnapshot> MembersOf(PoolName name) =>
        Fleet.Workers.Where(w => PoolName.Of(_fleet.At(w.Slot)!.Spec) == name);

    private int OnSlot(int slot) => _admission.InFlight(slot) + (_trials.IsBusy(slot) ? 1 : 0);

    private void Leave(WorkerId id, WorkerInput how, DateTimeOffset now, long timestamp)
    {
        var worker = _fleet.Find(id)!;
        if (worker.Stage != WorkerPhase.Draining)
        {
            _idleSince[worker.Slot] = now;
        }
        if (how is WorkerInput.Remove)
        {
            Depart(worker.Slot, now, forced: true);
        }
        else
        {
            _ = _fleet.Apply(worker.Slot, how, now);
        }
        Changed(now, timestamp);
    }

    /// <summary>To be called where something of ours has ended on a worker.</summary>
    private void Lighter(int slot, DateTimeOffset now)
    {
        if (OnSlot(slot) == 0)
        {
            _idleSince[slot] = now;
        }
        if (_fleet.At(slot) is { Stage: WorkerPhase.Draining })
        {
            EndDrains(now);
        }
    }

    private void EndDrains(DateTimeOffset now)
    {
        foreach (var worker in _fleet.Registered.Where(w => w is { Stage: WorkerPhase.Draining, SwitchTo: null }).ToArray())
        {
            if (SafetyOf(worker.Id, worker.Slot).IsSafe)
            {
                Depart(worker.Slot, now, forced: false);
            }
        }
    }

    private void Depart(int slot, DateTimeOffset now, bool forced)
    {
        var state = _fleet.At(slot)!;
        var shown = _fleet.Shown(slot)! with
        {
            ApiKey = null,
            Phase = WorkerPhase.Gone,
            Reason = forced ? "removed by force" : "drained and removed",
        };
        var safety = SafetyOf(state.Id, slot);
        _ = _fleet.Apply(slot, new WorkerInput.Remove(), now);
        _retired.Add(new RetiredWorker(shown, state.Spec.Cost, now, safety, forced));
        ForgetIfGone(slot);
    }

    private KillSafety SafetyOf(WorkerId id, int slot) =>
        KillSafety.Of(OnWorker(id), _idleSince.GetValueOrDefault(slot), _told.GetValueOrDefault(slot));

    private WorkerView View(WorkerSnapshot worker)
    {
        var state = _fleet.At(worker.Slot)!;
        return new WorkerView
        {
            Worker = worker with { ApiKey = null },
            Cost = state.Spec.Cost,
            Since = state.Since,
            Ranks = [.. Enumerable.Range(0, _admission.Catalog.SetOf(worker.Slot) is null ? 0 : _admission.Catalog.Ranks(worker))
                .Select(Rank)],
            InFlight = OnWorker(worker.Id),
            Safety = worker.Phase == WorkerPhase.Draining ? SafetyOf(worker.Id, worker.Slot) : KillSafety.InRotation,
            SwitchTo = state.SwitchTo,
        };

        RankView Rank(int rank)
        {
            ref readonly var load = ref _admission.Load(worker.Slot, rank);
            return new(rank, load.Running, load.Foreign, load.Window, load.Tokens);
        }
    }

    private WorkerView View(RetiredWorker gone)
    {
        var own = OnWorker(gone.Worker.Id);
        return new WorkerView
        {
            Worker = gone.Worker,
            Cost = gone.Cost,
            Since = gone.At,
            InFlight = own,
            // Who was forced out was not asked to its end: our own legs are all that is known.
            Safety = own > 0 ? KillSafety.Of(own, gone.At, null)
                : gone.Forced ? new(true, "removed by force; nothing of ours is in flight, its engine was not asked")
                : gone.Safety,
        };
    }
}
