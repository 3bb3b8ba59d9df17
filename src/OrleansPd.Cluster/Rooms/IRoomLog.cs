using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Rooms;

/// <summary>
/// Where registered rooms are stored, so that they survive the silo that holds their shard. A shard has one writer.
/// </summary>
public interface IRoomLog
{
    /// <summary>
    /// Makes the caller the writer of a shard and reads all of it; whoever was its writer before can store no more.
    /// </summary>
    Task<RoomLogOpened> OpenAsync(int shard, CancellationToken cancellationToken);

    /// <summary>
    /// Stores and drops, all of it or nothing; comes back when it would survive this process. With nothing to do it asks
    /// whether the caller is still the writer.
    /// </summary>
    Task<RoomLogAnswer> WriteAsync(
        int shard, long writer, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped,
        CancellationToken cancellationToken);

    /// <summary>Stores a shard anew after it was lost. False: somebody else is its writer by now.</summary>
    Task<bool> RefillAsync(int shard, long writer, IReadOnlyList<RoomEntry> all, CancellationToken cancellationToken);
}

/// <summary>A shard as it was found.</summary>
/// <param name="Writer">Names the caller as its writer.</param>
/// <param name="Entries">All that was stored.</param>
public sealed record RoomLogOpened(long Writer, IReadOnlyList<RoomEntry> Entries);

/// <summary>What became of a write.</summary>
public enum RoomLogAnswer
{
    /// <summary>It is stored.</summary>
    Written,

    /// <summary>Nothing is: somebody else is the writer now.</summary>
    Superseded,

    /// <summary>Nothing is: all that was stored of the shard is gone.</summary>
    Lost,
}
