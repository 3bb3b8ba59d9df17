using System.Collections.Immutable;
using Orleans.Concurrency;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// A shard of the registered rooms; its key is its number. A registration is acknowledged when it is stored, many with one write.
/// </summary>
[Alias("pd.IBootstrapRoomGrain")]
public interface IBootstrapRoomGrain : IGrainWithIntegerKey
{
    /// <summary>Registers rooms. Interleaves, so that calls which wait for one write share the next.</summary>
    /// <returns>For each what became of it, as <see cref="Core.Rooms.RankRegistration"/>.</returns>
    [Alias("Register"), AlwaysInterleave, ResponseTimeout("00:00:05")]
    Task<ImmutableArray<byte>> Register([Immutable] ImmutableArray<RoomClaim> claims);

    /// <summary>Looks rooms up. Interleaves: reads one state without waiting.</summary>
    /// <returns>For each the rank that has it, -1 where unknown.</returns>
    [Alias("Query"), AlwaysInterleave, ResponseTimeout("00:00:02")]
    Task<ImmutableArray<int>> Query([Immutable] ImmutableArray<long> rooms);
}

/// <summary>A rank says that it has a room.</summary>
[GenerateSerializer, Immutable, Alias("pd.RoomClaim")]
public readonly record struct RoomClaim([property: Id(0)] long Room, [property: Id(1)] int Rank);
