using System.Collections.Concurrent;
using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Rooms;

/// <summary>Where registered rooms are stored, so that they survive the silo that holds their shard.</summary>
public interface IRoomLog
{
    /// <summary>All that is stored of a shard.</summary>
    Task<IReadOnlyList<RoomEntry>> ReadAsync(int shard, CancellationToken cancellationToken);

    /// <summary>Stores and drops, all of it or nothing; comes back when it would survive this process.</summary>
    Task WriteAsync(int shard, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped, CancellationToken cancellationToken);
}

/// <summary>Rooms that survive a silo only as long as this object does: for tests, and for a cluster of one process.</summary>
public sealed class MemoryRoomLog : IRoomLog
{
    private readonly ConcurrentDictionary<int, ConcurrentDictionary<long, RoomEntry>> _shards = new();

    public Task<IReadOnlyList<RoomEntry>> ReadAsync(int shard, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<RoomEntry>>([.. _shards.GetOrAdd(shard, _ => new()).Values]);

    public Task WriteAsync(int shard, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped, CancellationToken cancellationToken)
    {
        var rooms = _shards.GetOrAdd(shard, _ => new());
        foreach (var entry in stored)
        {
            rooms[entry.Room] = entry;
        }
        foreach (var room in dropped)
        {
            rooms.TryRemove(room, out _);
        }
        return Task.CompletedTask;
    }
}
