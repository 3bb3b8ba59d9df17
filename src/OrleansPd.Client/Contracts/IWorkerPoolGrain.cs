using System.Collections.Immutable;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// Membership and wanted size of the workers of one model and role; persisted. Its key is <c>{role}/{model}</c>, with
/// <c>-</c> for a model that the operator left to the engine to tell.
/// </summary>
[Alias("pd.IWorkerPoolGrain")]
public interface IWorkerPoolGrain : IGrainWithStringKey
{
    /// <summary>Adds workers that are not members yet; the others stay as they are.</summary>
    /// <returns>The names of those that were added.</returns>
    [Alias("Add"), ResponseTimeout("00:00:05")]
    Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs);

    /// <summary>Takes members back under their old registrations, after what was stored of them was lost.</summary>
    [Alias("Adopt"), ResponseTimeout("00:00:05")]
    Task Adopt(ImmutableArray<WorkerReport> known);

    /// <summary>A worker's writer tells of it. False: it is no member (any more).</summary>
    [Alias("Report"), ResponseTimeout("00:00:02")]
    Task<bool> Report(WorkerReport report);

    /// <summary>A worker has left. A later registration of the same name is not meant.</summary>
    [Alias("Forget"), ResponseTimeout("00:00:05")]
    Task Forget(WorkerId id, long registration);

    /// <summary>The pool as it is now; wakes it and its workers.</summary>
    [Alias("Current"), ResponseTimeout("00:00:02")]
    Task<PoolSnapshot> Current();

    /// <summary>Says how many workers the pool should have; whoever starts engines reads it.</summary>
    [Alias("Scale"), ResponseTimeout("00:00:05")]
    Task<PoolSnapshot> Scale(int? wanted);

    /// <summary>Takes back a wanted size that others remember, if it was said later than what is stored.</summary>
    [Alias("Restore"), ResponseTimeout("00:00:05")]
    Task Restore(PoolSize remembered);
}

/// <summary>How many workers a pool should have, as it was said once.</summary>
/// <param name="Pool">Key of the pool.</param>
/// <param name="Wanted">The number; null = nobody says any more.</param>
/// <param name="At">When it was said, in ticks; later words replace earlier ones.</param>
[GenerateSerializer, Immutable, Alias("pd.PoolSize")]
public sealed record PoolSize([property: Id(0)] string Pool, [property: Id(1)] int? Wanted, [property: Id(2)] long At);

/// <summary>A pool at one moment.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Epoch">Grows with each life of the pool's writer.</param>
/// <param name="Version">Grows with each change within a life.</param>
/// <param name="Wanted">How many workers it should have; null = nobody said.</param>
/// <param name="Workers">The newest report of each member.</param>
/// <param name="IsBlank">Nothing is stored of it: it is new, or what was stored is lost.</param>
/// <param name="TargetAt">When the wanted size was said, in ticks; 0 = never.</param>
[GenerateSerializer, Immutable, Alias("pd.PoolSnapshot")]
public sealed record PoolSnapshot(
    [property: Id(0)] string Key,
    [property: Id(1)] long Epoch,
    [property: Id(2)] long Version,
    [property: Id(3)] int? Wanted,
    [property: Id(4)] ImmutableArray<WorkerReport> Workers,
    [property: Id(5)] bool IsBlank = false,
    [property: Id(6)] long TargetAt = 0);
