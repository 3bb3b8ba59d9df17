using System.Threading.Tasks.Sources;

namespace OrleansPd.Engines.Monitoring;

/// <summary>
/// Lets a loop sleep until a time or until it is rung, whichever comes first. Ringing twice wakes once. One loop waits at a time;
/// with a thousand workers there are hundreds of waits a second, so that a wait makes nothing new, and one of a second or more
/// ends at a
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
            static bell => ((AsyncSignal)bell!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Signal()
    {
        lock (_gate)
        {
            _isSet = true;
        }
        Wake();
    }

    /// <exception cref="OperationCanceledException">The token fired.</exception>
    public async ValueTask WaitAsync(TimeSpan longest, CancellationToken cancellationToken)
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
        var watch = cancellationToken.UnsafeRegister(static bell => ((AsyncSignal)bell!).Wake(), this);
        try
        {
            _timer.Change(SharedTick.Within(_clock, longest), Timeout.InfiniteTimeSpan);
            await wait.ConfigureAwait(false);
        }
        finally
        {
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            await watch.DisposeAsync().ConfigureAwait(false);
            lock (_gate)
            {
                _isSet = false;
            }
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
            {
                return;
            }
            _isWaiting = false;
        }
        _wait.SetResult(true);
    }
}
