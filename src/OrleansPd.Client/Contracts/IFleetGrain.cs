using System.Collections.Immutable;
using Orleans.Concurrency;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// The list of pools, the prefixes under which gateways mint rooms, and the feed of the fleet. There is one; its key is 0.
/// Gateways go on with what they know while it is away.
/// </summary>
[Alias("pd.IFleetGrain")]
public interface IFleetGrain : IGrainWithIntegerKey
{
    /// <summary>
    /// The fleet now and whenever it changes, from the first that is newer than what the caller knows. Ends with either side:
    /// always consumed in a loop that subscribes again.
    /// </summary>
    [Alias("Watch")]
    IAsyncEnumerable<FleetUpdate> Watch(long epoch, long version, CancellationToken cancellationToken = default);

    /// <summary>A gateway is there, and will say so again; its prefix stays its own for as long as its silo lives.</summary>
    [Alias("Join"), ResponseTimeout("00:00:05")]
    Task<GatewayTerm> Join(GatewayHello hello);

    /// <summary>
    /// A pool has changed. Interleaves: a pool tells of what the fleet itself has just asked of it; it waits for nothing.
    /// </summary>
    [Alias("Changed"), AlwaysInterleave, ResponseTimeout("00:00:02")]
    Task Changed(PoolSnapshot pool);

    /// <summary>All pools.</summary>
    [Alias("Pools"), ResponseTimeout("00:00:02")]
    Task<ImmutableArray<PoolSnapshot>> Pools();

    /// <summary>
    /// Adds workers to their pools, which are made where there are none. Answers with those that were not there before.
    /// </summary>
    [Alias("Add"), ResponseTimeout("00:00:10")]
    Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs);

    /// <summary>Says how many workers a pool should have; it is made where there is none. Stored when it answers.</summary>
    [Alias("Scale"), ResponseTimeout("00:00:10")]
    Task<PoolSnapshot> Scale(string pool, int? wanted);
}

/// <summary>The fleet at one moment.</summary>
/// <param name="Epoch">Grows with each life of the feed's writer.</param>
/// <param name="Version">Grows with each change within a life.</param>
/// <param name="Workers">All workers.</param>
/// <param name="Sizes">How many workers pools should have, of those of which it was ever said.</param>
[GenerateSerializer, Immutable, Alias("pd.FleetUpdate")]
public sealed record FleetUpdate(
    [property: Id(0)] long Epoch,
    [property: Id(1)] long Version,
    [property: Id(2)] ImmutableArray<WorkerReport> Workers,
    [property: Id(3)] ImmutableArray<PoolSize> Sizes = default);

/// <summary>What a gateway says when it joins.</summary>
/// <param name="Gateway">Names its life: its silo's address.</param>
/// <param name="Prefix">The prefix it has; -1 = none yet.</param>
/// <param name="Named">Workers its operator named; they serve the whole cluster.</param>
/// <param name="Known">Workers it knows: taken back where everything stored was lost.</param>
/// <param name="Sizes">Wanted sizes of pools it knows: taken back where they are newer than what is stored.</param>
[GenerateSerializer, Immutable, Alias("pd.GatewayHello")]
public sealed record GatewayHello(
    [property: Id(0)] string Gateway,
    [property: Id(1)] int Prefix,
    [property: Id(2)] ImmutableArray<WorkerSpec> Named,
    [property: Id(3)] ImmutableArray<WorkerReport> Known,
    [property: Id(4)] ImmutableArray<PoolSize> Sizes = default);

/// <summary>What a gateway is given when it joins.</summary>
/// <param name="Prefix">Its own: rooms of requests under 2 x prefix, rooms of trials under 2 x prefix + 1. -1 = not yet: other
/// gateways are heard first.</param>
[GenerateSerializer, Immutable, Alias("pd.GatewayTerm")]
public sealed record GatewayTerm([property: Id(0)] int Prefix);
