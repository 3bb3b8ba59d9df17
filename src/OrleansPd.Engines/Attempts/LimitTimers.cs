namespace OrleansPd.Engines.Attempts;

/// <summary>An operation with a time limit.</summary>
internal interface ILimited
{
    /// <summary>
    /// The limit may have passed. May be called too early, also by a timer that was just handed to this owner: check the clock.
    /// </summary>
    void OnLimit();
}

/// <summary>
/// Reuses the timers of a dispatcher: nearly all are returned long before they are due, and creating a timer for each request
/// costs more than setting one.
/// </summary>
internal sealed class LimitTimers(TimeProvider clock)
{
    /// <summary>Maximum of idle timers kept; further ones are disposed of.</summary>
    private const int MaxIdle = 1024;

    private readonly Lock _gate = new();
    private readonly Stack<LimitTimer> _free = new();

    public LimitTimer Rent(ILimited owner)
    {
        LimitTimer? timer;
        lock (_gate)
            _free.TryPop(out timer);
        timer ??= new LimitTimer(clock);
        timer.Give(owner);
        return timer;
    }

    /// <summary>Returns a timer. It no longer calls its former owner, except for a call that has already begun.</summary>
    public void Return(LimitTimer timer)
    {
        timer.Take();
        lock (_gate)
        {
            if (_free.Count < MaxIdle)
            {
                _free.Push(timer);
                return;
            }
        }
        timer.Dispose();
    }
}

/// <summary>A timer that calls its current owner.</summary>
internal sealed class LimitTimer : IDisposable
{
    private readonly Lock _gate = new();
    private readonly ITimer _timer;
    private ILimited? _owner;

    public LimitTimer(TimeProvider clock)
    {
        _timer = clock.CreateTimer(
            static state => ((LimitTimer)state!).Due(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Sets the timer. Ignored from a former owner: a late call must not change the limit of the current one.</summary>
    public void Set(ILimited owner, TimeSpan after)
    {
        lock (_gate)
        {
            if (ReferenceEquals(_owner, owner))
                _timer.Change(after > TimeSpan.Zero ? after : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    internal void Give(ILimited owner)
    {
        lock (_gate)
            _owner = owner;
    }

    internal void Take()
    {
        lock (_gate)
        {
            _owner = null;
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void Due()
    {
        ILimited? owner;
        lock (_gate)
            owner = _owner;
        owner?.OnLimit();
    }
}
