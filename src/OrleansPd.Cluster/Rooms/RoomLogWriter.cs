using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Rooms;

/// <summary>
/// Group commit of one shard: changes that arrive during a write go into the next one. Used by one grain, on its scheduler. After
/// a failed write the waiters get the exception and the changes stay pending. If the log was emptied it is filled again from
/// memory; if it has another writer, nothing more is written.
/// </summary>
internal sealed class RoomLogWriter(
    IRoomLog log, int shard, long writer, Func<IReadOnlyList<RoomEntry>> all, TimeProvider clock)
{
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(3);
    private readonly Dictionary<long, RoomEntry> _stored = [];
    private readonly HashSet<long> _dropped = [];
    private TaskCompletionSource? _next;
    private bool _writing;

    /// <summary>Something waits to be written.</summary>
    public bool HasWork => _stored.Count > 0 || _dropped.Count > 0;

    /// <summary>Another activation writes this shard now; this one can store nothing any more.</summary>
    public bool IsSuperseded { get; private set; }

    /// <summary>Writes made.</summary>
    public long Writes { get; private set; }

    /// <summary>Times that rooms were found lost from the log and were stored again.</summary>
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

    /// <summary>Completes when all that was handed in before is stored, and the log is known to be ours.</summary>
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
                await WriteAsync(stored, dropped);
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
                _ = waiters.Task.Exception; // observed, in case its waiters have left
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
                // A log may drop an empty shard: then there is nothing but what is written now.
                Refills += rooms.Any(entry => !_stored.ContainsKey(entry.Room)) ? 1 : 0;
                return;
            default:
                IsSuperseded = true;
                throw new InvalidOperationException($"another activation writes shard {shard} of the rooms now");
        }
    }
}
