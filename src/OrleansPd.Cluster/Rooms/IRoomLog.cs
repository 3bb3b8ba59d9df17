namespace OrleansPd.Cluster.Rooms;

/// <summary>Storage of registered rooms, so that they survive the silo of their shard. A shard has one writer.</summary>
public interface IRoomLog
{
    /// <summary>Makes the caller the writer of a shard and reads all of it; a former writer can store nothing any more.</summary>
    Task<RoomLogOpened> OpenAsync(int shard, CancellationToken cancellationToken);

    /// <summary>
    /// Stores and drops rooms, all or none; completes when the change survives this process. With nothing to write it checks
    /// whether the caller is still the writer.
    /// </summary>
    Task<RoomLogAnswer> WriteAsync(
        int shard, long writer, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped,
        CancellationToken cancellationToken);

    /// <summary>Stores a shard again after it was lost. False: it has another writer.</summary>
    Task<bool> RefillAsync(int shard, long writer, IReadOnlyList<RoomEntry> all, CancellationToken cancellationToken);
}

/// <summary>The stored content of a shard.</summary>
/// <param name="Writer">Number of the caller as its writer.</param>
/// <param name="Entries">All stored rooms.</param>
public sealed record RoomLogOpened(long Writer, IReadOnlyList<RoomEntry> Entries);

/// <summary>Result of a write.</summary>
public enum RoomLogAnswer
{
    /// <summary>Stored.</summary>
    Written,

    /// <summary>Not stored: the shard has another writer.</summary>
    Superseded,

    /// <summary>Not stored: the stored content of the shard was lost.</summary>
    Lost,
}
