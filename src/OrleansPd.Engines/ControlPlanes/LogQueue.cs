namespace OrleansPd.Engines.ControlPlanes;

/// <summary>
/// Writes log lines one after the other on a thread pool thread. A control plane finds what to log while it holds its lock, often
/// on a thread that also serves sockets; with this queue a log that blocks (a full pipe, a slow disk) delays log lines only.
/// Called from any thread.
/// </summary>
/// <param name="dropped">Writes a line about lines that were dropped; its argument is their number.</param>
public sealed class LogQueue(Action<long> dropped) : IThreadPoolWorkItem
{
    /// <summary>Lines that wait at most, 10,000; further lines are dropped and counted.</summary>
    public const int MaxWaiting = 10_000;

    private readonly Lock _gate = new();
    private readonly Queue<Action> _lines = [];
    private long _dropped;
    private bool _isWriting;

    /// <param name="write">Writes one line.</param>
    public void Add(Action write)
    {
        lock (_gate)
        {
            if (_lines.Count >= MaxWaiting)
            {
                _dropped++;
                return;
            }
            _lines.Enqueue(write);
            if (_isWriting)
                return;
            _isWriting = true;
        }
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Completes when the lines that were added before are written.</summary>
    public Task FlushAsync()
    {
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Add(written.SetResult);
        return written.Task;
    }

    void IThreadPoolWorkItem.Execute()
    {
        while (Next() is { } write)
        {
            try
            {
                write();
            }
            catch (Exception)
            {
                // A log provider that throws must not end the process, and there is no other place to report it.
            }
        }
    }

    private Action? Next()
    {
        lock (_gate)
        {
            if (_dropped > 0)
            {
                var count = _dropped;
                _dropped = 0;
                return () => dropped(count);
            }
            _isWriting = _lines.TryDequeue(out var write);
            return write;
        }
    }
}
