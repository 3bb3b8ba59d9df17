namespace OrleansPd.Cluster.Rooms;

/// <summary>
/// Group commit of one shard: changes that arrive during a write go into the next one. Used by one grain, on its scheduler. After
/// a failed write the waiting callers get the exception and the changes stay pending. A log that was lost is filled again from
/// memory; if it has another writer, nothing more is written.
/// </summary>
internal sealed class RoomLogWriter(IRoomLog log, int shard, long writer, Func<IReadOnlyList<RoomEntry>> all, TimeProvider clock)
{
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(3);
    private readonly Dictionary<long, RoomEntry> _stored = [];
    private readonly HashSet<long> _dropped = [];
    private TaskCompletionSource? _next;
    private bool _writing;

    /// <summary>Changes are pending.</summary>
    public bool HasWork => _stored.Count > 0 || _dropped.Count > 0;

    /// <summary>Another activation is the writer of this shard; this one can store nothing any more.</summary>
    public bool IsSuperseded { get; private set; }

    public long Writes { get; private set; }

    /// <summary>Number of times that lost rooms were stored again.</summary>
    public long Refills { get; private set; }

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

    /// <summary>Completes when all changes made before are stored and this writer is confirmed.</summary>
    /// <exception cref="Exception">Not stored yet; the next successful commit stores it.</exception>
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
                await WriteAsync(stored, dropped);
                foreach (var entry in stored.Where(e => _stored.TryGetValue(e.Room, out var now) && now == e))
                    _stored.Remove(entry.Room);
                _dropped.ExceptWith(dropped);
                waiters.SetResult();
            }
            catch (Exception e)
            {
                waiters.SetException(e);
                _ = waiters.Task.Exception; // observed, in case no caller awaits it any more
            }
        }
        _writing = false;
    }

    private async Task WriteAsync(RoomEntry[] stored, long[] dropped)
    {
        using var limit = new CancellationTokenSource(WriteTimeout, clock);
        Writes++;
        IReadOnlyList<RoomEntry> rooms;
        switch (await log.WriteAsync(shard, writer, stored, dropped, limit.Token))
        {
            case RoomLogAnswer.Written:
                return;
            case RoomLogAnswer.Lost when await log.RefillAsync(shard, writer, rooms = all(), limit.Token):
                // A log may drop an empty shard: only rooms that were stored before count as lost.
                Refills += rooms.Any(entry => !_stored.ContainsKey(entry.Room)) ? 1 : 0;
                return;
            default:
                IsSuperseded = true;
                throw new InvalidOperationException($"another activation writes shard {shard} of the rooms now");
        }
    }
}
