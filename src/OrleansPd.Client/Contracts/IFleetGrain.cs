using Orleans.Concurrency;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// The list of pools, the room prefixes of gateways, and the feed of the fleet. There is one; its key is 0. Gateways keep serving
/// from their last snapshot while it is away.
/// </summary>
[Alias("pd.IFleetGrain")]
public interface IFleetGrain : IGrainWithIntegerKey
{
    /// <summary>
    /// The fleet now and at each change, if newer than the caller's version. Ends when either side ends: consume it in a loop
    /// that subscribes again.
    /// </summary>
    [Alias("Watch")]
    IAsyncEnumerable<FleetUpdate> Watch(long epoch, long version, CancellationToken cancellationToken = default);

    /// <summary>Announces a gateway; called again at an interval. It keeps its prefix until its silo is declared dead.</summary>
    [Alias("Join"), ResponseTimeout("00:00:05")]
    Task<GatewayTerm> Join(GatewayHello hello);

    /// <summary>Reports a changed pool. Interleaves, because a pool reports while the fleet grain awaits a call to it.</summary>
    [Alias("Changed"), AlwaysInterleave, ResponseTimeout("00:00:02")]
    Task Changed(PoolSnapshot pool);

    /// <summary>All pools.</summary>
    [Alias("Pools"), ResponseTimeout("00:00:02")]
    Task<ImmutableArray<PoolSnapshot>> Pools();

    /// <summary>Adds workers to their pools and creates missing pools. Returns the ids of the workers that were added.</summary>
    [Alias("Add"), ResponseTimeout("00:00:10")]
    Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs);

    /// <summary>Sets the target size of a pool and creates it if missing. Stored when the call completes.</summary>
    [Alias("Scale"), ResponseTimeout("00:00:10")]
    Task<PoolSnapshot> Scale(string pool, int? targetSize);
}

/// <summary>The fleet at one version.</summary>
/// <param name="Epoch">Grows with each activation of the fleet grain.</param>
/// <param name="Version">Grows with each change within an epoch.</param>
/// <param name="Workers">All workers.</param>
/// <param name="Sizes">Target sizes of the pools that have one.</param>
[GenerateSerializer, Immutable, Alias("pd.FleetUpdate")]
public sealed record FleetUpdate(
    [property: Id(0)] long Epoch,
    [property: Id(1)] long Version,
    [property: Id(2)] ImmutableArray<WorkerReport> Workers,
    [property: Id(3)] ImmutableArray<PoolSize> Sizes = default);

/// <summary>Arguments of <see cref="IFleetGrain.Join"/>.</summary>
/// <param name="Gateway">Id of the gateway: its silo's address.</param>
/// <param name="Prefix">Its current prefix; -1 = none yet.</param>
/// <param name="Named">Workers configured on this gateway; they are added to the cluster.</param>
/// <param name="Known">Workers it knows: restored if storage lost them.</param>
/// <param name="Sizes">Target sizes it knows: restored if newer than the stored ones.</param>
[GenerateSerializer, Immutable, Alias("pd.GatewayHello")]
public sealed record GatewayHello(
    [property: Id(0)] string Gateway,
    [property: Id(1)] int Prefix,
    [property: Id(2)] ImmutableArray<WorkerSpec> Named,
    [property: Id(3)] ImmutableArray<WorkerReport> Known,
    [property: Id(4)] ImmutableArray<PoolSize> Sizes = default);

/// <summary>Result of <see cref="IFleetGrain.Join"/>.</summary>
/// <param name="Prefix">Its prefix: rooms of requests use 2 x prefix, rooms of readiness checks 2 x prefix + 1. -1 = not
/// yet: the fleet grain waits for other gateways first.</param>
[GenerateSerializer, Immutable, Alias("pd.GatewayTerm")]
public sealed record GatewayTerm([property: Id(0)] int Prefix);
