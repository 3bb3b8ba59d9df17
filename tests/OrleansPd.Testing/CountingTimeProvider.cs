using Microsoft.Extensions.Time.Testing;

namespace OrleansPd.Testing;

/// <summary>A fake clock that also counts the timers that will fire.</summary>
public sealed class CountingTimeProvider : FakeTimeProvider
{
    private int _armed;

    public int Armed => Volatile.Read(ref _armed);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new CountedTimer(this, callback, state);
        timer.Start(base.CreateTimer(timer.Fired, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan), dueTime, period);
        return timer;
    }

    private sealed class CountedTimer(CountingTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        private ITimer _timer = null!;
        private bool _isPeriodic;
        private int _isArmed;

        public void Start(ITimer timer, TimeSpan dueTime, TimeSpan period)
        {
            _timer = timer;
            Change(dueTime, period);
        }

        public void Fired(object? unused)
        {
            Arm(_isPeriodic);
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _isPeriodic = period > TimeSpan.Zero;
            Arm(dueTime != Timeout.InfiniteTimeSpan);
            return _timer.Change(dueTime, period);
        }

        public void Dispose()
        {
            Arm(false);
            _timer.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Arm(false);
            return _timer.DisposeAsync();
        }

        private void Arm(bool isArmed)
        {
            var before = Interlocked.Exchange(ref _isArmed, isArmed ? 1 : 0);
            Interlocked.Add(ref clock._armed, (isArmed ? 1 : 0) - before);
        }
    }
}
