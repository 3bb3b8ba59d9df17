namespace OrleansPd.Simulator.Http;

/// <summary>
/// Calls back once when the client has left, also where the handler notices it first and is done before its own registration
/// was called.
/// </summary>
internal sealed class ClientWatch : IDisposable
{
    private readonly CancellationToken _aborted;
    private readonly Action _left;
    private readonly CancellationTokenRegistration _registration;
    private int _isReported;

    public ClientWatch(Action left, CancellationToken aborted)
    {
        _aborted = aborted;
        _left = left;
        _registration = aborted.UnsafeRegister(static state => ((ClientWatch)state!).Tell(), this);
    }

    public void Dispose()
    {
        _registration.Dispose();
        if (_aborted.IsCancellationRequested)
            Tell();
    }

    private void Tell()
    {
        if (Interlocked.Exchange(ref _isReported, 1) == 0)
            _left();
    }
}
