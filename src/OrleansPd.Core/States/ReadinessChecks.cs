using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>
/// Chooses with whom a worker shows that it serves. Who serves already is preferred as partner; two newcomers may show it to
/// each other, one pair at a time. After a failure the next partner is taken, so that one bad engine keeps nobody out.
/// </summary>
internal sealed class ReadinessChecks(FleetState fleet, RoomMint mint, DpRankMode recipe)
{
    private readonly HashSet<int> _busy = [];
    private readonly Dictionary<int, int> _tries = [];

    /// <summary>A generation of ours runs there.</summary>
    public bool IsBusy(int slot) => _busy.Contains(slot);

    /// <summary>Null: nobody to try with now, or not this one's turn.</summary>
    public ReadinessCheck? Begin(WorkerId id, DateTimeOffset now)
    {
        if (fleet.Find(id) is not { } state || _busy.Contains(state.Slot))
        {
            return null;
        }
        var worker = fleet.Shown(state.Slot)!;
        var due = worker.Phase switch
        {
            WorkerPhase.Probing => fleet.MayTry(state.Slot, now),
            WorkerPhase.Broken => fleet.BreakerAt(state.Slot).TryHalfOpen(fleet.BreakerLimits, now, out _),
            _ => false,
        };
        var partner = due && worker.Role != WorkerRole.Regular ? Partner(worker, now) : null;
        if (!due || (partner is null && worker.Role != WorkerRole.Regular))
        {
            if (due && Misfit(worker) is { } reason)
            {
                _ = fleet.Apply(worker.Slot, new WorkerInput.NotProved(reason), now);
            }
            return null;
        }
        if (worker.Phase == WorkerPhase.Broken)
        {
            _ = fleet.BreakerAt(state.Slot).TryHalfOpen(fleet.BreakerLimits, now, out var next);
            _ = fleet.SetBreaker(state.Slot, next);
        }
        _busy.Add(worker.Slot);
        if (partner?.Phase == WorkerPhase.Probing)
        {
            _busy.Add(partner.Slot);
        }
        _tries[worker.Slot] = _tries.GetValueOrDefault(worker.Slot) + 1;
        var prefill = worker.Role == WorkerRole.Prefill ? worker : partner;
        var decode = worker.Role == WorkerRole.Prefill ? partner! : worker;
        var room = prefill is null ? 0 : recipe == DpRankMode.Engine ? mint.Next(1, 0) : mint.Next(prefill.DpSize, 0);
        return new ReadinessCheck(
            prefill, decode, room, LegTargets.Prefill(recipe, prefill, 0), LegTargets.Decode(recipe, prefill, 0, decode, 0));
    }

    /// <param name="trial">The trial.</param>
    /// <param name="good">Null: called off.</param>
    /// <param name="reason">Why it was not good.</param>
    /// <param name="now">The time.</param>
    public void End(ReadinessCheck trial, bool? good, string? reason, DateTimeOffset now)
    {
        Judge(trial.Decode, good, reason, now);
        if (trial.Prefill is not null)
        {
            Judge(trial.Prefill, good, reason, now);
        }
    }

    private void Judge(WorkerSnapshot worker, bool? good, string? reason, DateTimeOffset now)
    {
        _busy.Remove(worker.Slot);
        if (fleet.At(worker.Slot) is not { } state || state.Id != worker.Id)
        {
            return;
        }
        if (good == true)
        {
            _tries.Remove(worker.Slot);
            _ = fleet.Apply(worker.Slot, new WorkerInput.Proved(worker.Epoch), now);
        }
        else if (good == false)
        {
            _ = fleet.Apply(worker.Slot, new WorkerInput.NotProved(reason ?? "a generation failed"), now);
        }
        if (worker.Phase == WorkerPhase.Broken && state.Epoch == worker.Epoch)
        {
            _ = fleet.SetBreaker(worker.Slot, fleet.BreakerAt(worker.Slot).HalfOpenEnded(fleet.BreakerLimits, good, now));
        }
    }

    private WorkerSnapshot? Partner(WorkerSnapshot worker, DateTimeOffset now)
    {
        var others = worker.Role == WorkerRole.Prefill ? fleet.Snapshot.Decode : fleet.Snapshot.Prefill;
        var fitting = others.Where(o => o.TransferGroup == worker.TransferGroup).ToArray();
        var candidates = fitting.Where(o => o.IsPairable)
            .Concat(fitting.Where(o => o.Phase == WorkerPhase.Probing && !_busy.Contains(o.Slot) && fleet.MayTry(o.Slot, now)))
            .ToArray();
        return candidates.Length == 0 ? null : candidates[_tries.GetValueOrDefault(worker.Slot) % candidates.Length];
    }

    /// <summary>Why a worker fits none of those that are there; null when it fits some, or there is none.</summary>
    private string? Misfit(WorkerSnapshot worker)
    {
        var others = (worker.Role == WorkerRole.Prefill ? fleet.Snapshot.Decode : fleet.Snapshot.Prefill)
            .Where(o => fleet.At(o.Slot) is { WasDescribed: true }).ToArray();
        return others.Length == 0 || others.Any(o => o.TransferGroup == worker.TransferGroup) ? null
            : $"no {others[0].Role.ToString().ToLowerInvariant()} worker can exchange KV with it: {TransferGroups.Difference(worker, others[0])}";
    }
}
