using System.Threading.Tasks.Sources;

namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// An auto-reset event with a time-out: lets one loop wait until it is signalled, or for a time. Two signals before a wait wake
/// it once. A wait allocates nothing, since a thousand workers make hundreds of waits a second; one of a second or more ends at a
/// <see cref="SharedTick"/>, up to 100 ms early.
/// </summary>
public sealed class AsyncSignal : IValueTaskSource
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;
    private ManualResetValueTaskSourceCore<bool> _wait = new() { RunContinuationsAsynchronously = true };
    private bool _isSet;
    private bool _isWaiting;

    public AsyncSignal(TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _timer = clock.CreateTimer(
            static signal => ((AsyncSignal)signal!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Signal()
    {
        lock (_gate)
            _isSet = true;
        Wake();
    }

    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async ValueTask WaitAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ValueTask wait;
        lock (_gate)
        {
            if (_isSet)
            {
                _isSet = false;
                return;
            }
            _wait.Reset();
            _isWaiting = true;
            wait = new(this, _wait.Version);
        }
        var watch = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Wake(), this);
        try
        {
            _timer.Change(SharedTick.Within(_clock, timeout), Timeout.InfiniteTimeSpan);
            await wait.ConfigureAwait(false);
        }
        finally
        {
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            await watch.DisposeAsync().ConfigureAwait(false);
            lock (_gate)
                _isSet = false;
        }
        cancellationToken.ThrowIfCancellationRequested();
    }

    void IValueTaskSource.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    private void Wake()
    {
        lock (_gate)
        {
            if (!_isWaiting)
                return;
            _isWaiting = false;
        }
        _wait.SetResult(true);
    }
}
