namespace OrleansPd.Client.Contracts;

/// <summary>
/// Membership and target size of the workers of one model and role; persisted. Its key is <c>{role}/{model}</c>, with <c>-</c>
/// for a model that was not configured.
/// </summary>
[Alias("pd.IWorkerPoolGrain")]
public interface IWorkerPoolGrain : IGrainWithStringKey
{
    /// <summary>Adds workers that are not members yet; does not change members.</summary>
    /// <returns>The ids of the added workers.</returns>
    [Alias("Add"), ResponseTimeout("00:00:05")]
    Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs);

    /// <summary>Restores members with their registrations after storage lost them.</summary>
    [Alias("Adopt"), ResponseTimeout("00:00:05")]
    Task Adopt(ImmutableArray<WorkerReport> known);

    /// <summary>Report of a worker's grain. False: it is not a member.</summary>
    [Alias("Report"), ResponseTimeout("00:00:02")]
    Task<bool> Report(WorkerReport report);

    /// <summary>Removes a worker, but not a later registration with the same id.</summary>
    [Alias("Forget"), ResponseTimeout("00:00:05")]
    Task Forget(WorkerId id, long registration);

    /// <summary>The pool now; activates it and its workers.</summary>
    [Alias("Current"), ResponseTimeout("00:00:02")]
    Task<PoolSnapshot> Current();

    /// <summary>Sets the target size.</summary>
    [Alias("Scale"), ResponseTimeout("00:00:05")]
    Task<PoolSnapshot> Scale(int? targetSize);

    /// <summary>Restores a target size that a gateway remembers, if newer than the stored one.</summary>
    [Alias("Restore"), ResponseTimeout("00:00:05")]
    Task Restore(PoolSize remembered);
}

/// <summary>Target size of a pool.</summary>
/// <param name="Pool">Key of the pool.</param>
/// <param name="TargetSize">The target size; null = unset.</param>
/// <param name="At">When it was set, in ticks; the later one wins.</param>
[GenerateSerializer, Immutable, Alias("pd.PoolSize")]
public sealed record PoolSize([property: Id(0)] string Pool, [property: Id(1)] int? TargetSize, [property: Id(2)] long At);

/// <summary>A pool at one version.</summary>
/// <param name="Epoch">Grows with each activation of its grain.</param>
/// <param name="Version">Grows with each change within an epoch.</param>
/// <param name="TargetSize">Target size; null = not set.</param>
/// <param name="Workers">The newest report of each member.</param>
/// <param name="IsBlank">Storage has nothing of it: it is new, or its record is lost.</param>
/// <param name="TargetAt">When the target size was set, in ticks; 0 = never.</param>
[GenerateSerializer, Immutable, Alias("pd.PoolSnapshot")]
public sealed record PoolSnapshot(
    [property: Id(0)] string Key,
    [property: Id(1)] long Epoch,
    [property: Id(2)] long Version,
    [property: Id(3)] int? TargetSize,
    [property: Id(4)] ImmutableArray<WorkerReport> Workers,
    [property: Id(5)] bool IsBlank = false,
    [property: Id(6)] long TargetAt = 0);
