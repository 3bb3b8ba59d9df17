using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Rooms;

/// <summary>
/// Group commit of one shard: while a write is under way, what comes is gathered for the next one. Used by one grain, on its
/// scheduler. What could not be written stays to be written; only its waiters are told.
/// </summary>
internal sealed class RoomLogWriter(IRoomLog log, int shard)
{
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(3);
    private readonly Dictionary<long, RoomEntry> _stored = [];
    private readonly HashSet<long> _dropped = [];
    private TaskCompletionSource? _next;
    private bool _writing;

    /// <summary>Something waits to be written.</summary>
    public bool HasWork => _stored.Count > 0 || _dropped.Count > 0;

    /// <summary>Writes made.</summary>
    public long Writes { get; private set; }

    public void Store(RoomEntry entry)
    {
        _dropped.Remove(entry.Room);
        _stored[entry.Room] = entry;
    }

    public void Drop(long room)
    {
        _stored.Remove(room);
        _dropped.Add(room);
    }

    /// <summary>Completes when all that was handed in before is stored.</summary>
    /// <exception cref="Exception">It is not stored now; it will be with the next commit that succeeds.</exception>
    public Task CommitAsync()
    {
        _next ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
        var mine = _next.Task;
        if (!_writing)
        {
            _writing = true;
            _ = WriteAllAsync();
        }
        return mine;
    }

    private async Task WriteAllAsync()
    {
        while (_next is { } waiters)
        {
            _next = null;
            RoomEntry[] stored = [.. _stored.Values];
            long[] dropped = [.. _dropped];
            try
            {
                using var limit = new CancellationTokenSource(WriteTimeout);
                await log.WriteAsync(shard, stored, dropped, limit.Token);
                Writes++;
                foreach (var entry in stored.Where(e => _stored.TryGetValue(e.Room, out var now) && now == e))
                {
                    _stored.Remove(entry.Room);
                }
                _dropped.ExceptWith(dropped);
                waiters.SetResult();
            }
            catch (Exception e)
            {
                waiters.SetException(e);
                _ = waiters.Task.Exception; // somebody may have stopped waiting
            }
        }
        _writing = false;
    }
}
