namespace OrleansPd.Core.States;

/// <summary>
/// When a readiness check of a worker is due, with which partner, and what its outcome means. Used by the state of one process
/// and by a worker's grain in a cluster.
/// </summary>
internal static class ReadinessRule
{
    public static bool IsDue(FleetState fleet, int slot, WorkerPhase phase, DateTimeOffset now) => phase switch
    {
        WorkerPhase.Probing => fleet.MayTry(slot, now),
        WorkerPhase.Broken => fleet.TryHalfOpen(slot, take: false, now),
        _ => false,
    };

    /// <summary>
    /// The partner for the next check. Workers that serve are preferred; of several each is used in rotation, so that one bad
    /// engine keeps no other out.
    /// </summary>
    /// <param name="worker">The worker to check; not a regular one.</param>
    /// <param name="fleet">The workers.</param>
    /// <param name="attempts">Checks of the worker since the last good one.</param>
    /// <param name="mayJoin">Whether a worker that is not ready either can be checked together with this one.</param>
    public static WorkerSnapshot? Partner(
        WorkerSnapshot worker, FleetSnapshot fleet, int attempts, Func<WorkerSnapshot, bool> mayJoin)
    {
        var fitting = Others(worker, fleet).Where(o => o.TransferGroup == worker.TransferGroup).ToArray();
        var candidates = fitting.Where(o => o.IsPairable)
            .Concat(fitting.Where(o => o.Phase == WorkerPhase.Probing && mayJoin(o))).ToArray();
        return candidates.Length == 0 ? null : candidates[attempts % candidates.Length];
    }

    /// <summary>Why no known partner can exchange KV with a worker; null when some can, or none is known.</summary>
    /// <param name="worker">The worker to check; not a regular one.</param>
    /// <param name="fleet">The workers.</param>
    /// <param name="isKnown">Whether the facts of a worker are known.</param>
    public static string? Mismatch(WorkerSnapshot worker, FleetSnapshot fleet, Func<WorkerSnapshot, bool> isKnown)
    {
        var others = Others(worker, fleet).Where(isKnown).ToArray();
        return others.Length == 0 || others.Any(o => o.TransferGroup == worker.TransferGroup)
            ? null
            : $"no {others[0].Role.ToString().ToLowerInvariant()} worker can exchange KV with it: "
                + TransferGroups.Difference(worker, others[0]);
    }

    /// <summary>The check of a worker, alone or with a partner, over rank 0 of both.</summary>
    public static ReadinessCheck Check(WorkerSnapshot worker, WorkerSnapshot? partner, RoomMint mint, DpRankMode ranks)
    {
        var (prefill, decode) = worker.Role == WorkerRole.Prefill ? (worker, partner!) : (partner, worker);
        return new ReadinessCheck(
            prefill, decode, prefill is null ? 0 : mint.Next(prefill, 0, ranks), LegTargets.Prefill(ranks, prefill, 0),
            LegTargets.Decode(ranks, prefill, 0, decode, 0));
    }

    /// <summary>Applies the outcome to one of the workers that were checked.</summary>
    /// <param name="fleet">The workers.</param>
    /// <param name="slot">The worker's slot in <paramref name="fleet"/>.</param>
    /// <param name="worker">The worker as it was when the check began.</param>
    /// <param name="good">Null: the check was cancelled: no outcome.</param>
    /// <param name="reason">Why it was not good.</param>
    public static void Apply(FleetState fleet, int slot, WorkerSnapshot worker, bool? good, string? reason, DateTimeOffset now)
    {
        if (good is { } proved)
        {
            WorkerInput input = proved ? new WorkerInput.ReadinessPassed(worker.Epoch)
                : new WorkerInput.ReadinessFailed(reason ?? "a generation failed");
            _ = fleet.Apply(slot, input, now);
        }
        if (worker.Phase == WorkerPhase.Broken && fleet.At(slot)?.Epoch == worker.Epoch)
            _ = fleet.SetBreaker(slot, fleet.BreakerAt(slot).HalfOpenEnded(fleet.BreakerLimits, good, now));
    }

    private static ImmutableArray<WorkerSnapshot> Others(WorkerSnapshot worker, FleetSnapshot fleet) =>
        worker.Role == WorkerRole.Prefill ? fleet.Decode : fleet.Prefill;
}
