namespace OrleansPd.Cluster.Rooms;

/// <summary>Stores rooms in memory: for tests, and for a cluster of one process.</summary>
public sealed class MemoryRoomLog : IRoomLog
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, Shard> _shards = [];
    private long _writers;

    public Task<RoomLogOpened> OpenAsync(int shard, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_shards.TryGetValue(shard, out var rooms))
                _shards[shard] = rooms = new Shard([]);
            rooms.Writer = ++_writers;
            return Task.FromResult(new RoomLogOpened(rooms.Writer, [.. rooms.Entries.Values]));
        }
    }

    public Task<RoomLogAnswer> WriteAsync(
        int shard, long writer, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(dropped);
        lock (_gate)
        {
            if (!_shards.TryGetValue(shard, out var rooms))
                return Task.FromResult(RoomLogAnswer.Lost);
            if (rooms.Writer != writer)
                return Task.FromResult(RoomLogAnswer.Superseded);
            foreach (var entry in stored)
                rooms.Entries[entry.Room] = entry;
            foreach (var room in dropped)
                rooms.Entries.Remove(room);
            return Task.FromResult(RoomLogAnswer.Written);
        }
    }

    public Task<bool> RefillAsync(int shard, long writer, IReadOnlyList<RoomEntry> all, CancellationToken cancellationToken)
    {
        lock (_gate)
            return Task.FromResult(_shards.TryAdd(shard, new Shard(all.ToDictionary(e => e.Room)) { Writer = writer }));
    }

    /// <summary>Drops everything, like a Redis that restarts without its data.</summary>
    public void Clear()
    {
        lock (_gate)
            _shards.Clear();
    }

    private sealed class Shard(Dictionary<long, RoomEntry> entries)
    {
        public Dictionary<long, RoomEntry> Entries => entries;

        public long Writer { get; set; }
    }
}
