using Orleans.Concurrency;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// A shard of the registered rooms; its key is the shard's number. A registration is acknowledged after it is stored; one write
/// stores many.
/// </summary>
[Alias("pd.IBootstrapRoomGrain")]
public interface IBootstrapRoomGrain : IGrainWithIntegerKey
{
    /// <summary>Registers rooms. Interleaves, so that calls that arrive during a write share the next one.</summary>
    /// <returns>The result of each, as <see cref="Core.Rooms.RankRegistration"/>.</returns>
    [Alias("Register"), AlwaysInterleave, ResponseTimeout("00:00:05")]
    Task<ImmutableArray<byte>> Register([Immutable] ImmutableArray<RoomClaim> claims);

    /// <summary>Queries rooms. Interleaves: it only reads the state.</summary>
    /// <returns>The rank of each room; -1 = unknown.</returns>
    [Alias("Query"), AlwaysInterleave, ResponseTimeout("00:00:02")]
    Task<ImmutableArray<int>> Query([Immutable] ImmutableArray<long> rooms);
}

/// <summary>A rank that registers a room.</summary>
[GenerateSerializer, Immutable, Alias("pd.RoomClaim")]
public readonly record struct RoomClaim([property: Id(0)] long Room, [property: Id(1)] int Rank);
