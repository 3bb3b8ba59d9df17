namespace OrleansPd.Core.Admin;

/// <summary>
/// A request to set the target size of a pool. This is only a target: your autoscaler reads it. No engine is started or killed
/// here; surplus workers can be drained, so that they can be stopped.
/// </summary>
/// <param name="Pool">The pool; it need not have a worker yet.</param>
/// <param name="TargetSize">Target size, 0-10000; null = unset.</param>
/// <param name="DrainSurplus">Drain the workers beyond the target size now.</param>
public sealed record PoolTarget(PoolName Pool, int? TargetSize, bool DrainSurplus = false)
{
    /// <summary>Maximum target size.</summary>
    public const int Max = 10_000;

    /// <summary>What is wrong with it, in one sentence; null = valid.</summary>
    public string? Problem =>
        !Enum.IsDefined(Pool.Role) ? "The role must be prefill, decode or regular."
        : Pool.Model is { } model && !IsName(model)
            ? $"The model must be a name of 1 to {PoolName.MaxLength} characters without blanks around it, "
                + "or '-' for the model that the engines report."
        : TargetSize is < 0 or > Max ? $"'wanted' must be a whole number from 0 to {Max}, or null."
        : DrainSurplus && TargetSize is null ? "'drain_surplus' needs a 'wanted' number."
        : null;

    private static bool IsName(string model) => model.Length is > 0 and <= PoolName.MaxLength
        && model != PoolName.AnyModel && model == model.Trim() && !model.Any(char.IsControl);

    /// <summary>
    /// The workers to drain beyond the target size: first those that do not serve, then the lowest priority, then the fewest
    /// requests in flight, then the newest.
    /// </summary>
    /// <param name="members">Workers of the pool in order of registration.</param>
    public ImmutableArray<WorkerId> Surplus(IEnumerable<WorkerView> members)
    {
        var present = members.Where(m => m.Worker.Phase is not (WorkerPhase.Gone or WorkerPhase.Draining)).ToArray();
        return TargetSize is not { } targetSize || !DrainSurplus ? [] :
        [
            .. present.Select((view, order) => (view, order))
                .OrderBy(m => m.view.Worker.IsPairable)
                .ThenBy(m => m.view.Worker.Priority)
                .ThenBy(m => m.view.InFlight)
                .ThenByDescending(m => m.order)
                .Take(Math.Max(0, present.Length - targetSize))
                .Select(m => m.view.Worker.Id),
        ];
    }
}
