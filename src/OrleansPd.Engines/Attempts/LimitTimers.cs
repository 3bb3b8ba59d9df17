namespace OrleansPd.Engines.Attempts;

/// <summary>What runs under a <see cref="LimitTimer"/>.</summary>
internal interface ILimited
{
    /// <summary>
    /// The limit may have run out. May be called too early, and by a timer that was just set by another: whether it has run out
    /// is for the one who is called to find out from the clock.
    /// </summary>
    void OnLimit();
}

/// <summary>
/// The timers of a dispatcher, used again and again: nearly all are given back long before they are due, and making one for each
/// request costs more than setting it.
/// </summary>
internal sealed class LimitTimers(TimeProvider clock)
{
    /// <summary>Timers kept for the next ones; what a burst needs beyond that is given up.</summary>
    private const int MostKept = 1024;

    private readonly Lock _gate = new();
    private readonly Stack<LimitTimer> _free = new();

    /// <summary>A timer that is not set.</summary>
    public LimitTimer Rent(ILimited owner)
    {
        LimitTimer? timer;
        lock (_gate)
        {
            _free.TryPop(out timer);
        }
        timer ??= new LimitTimer(clock);
        timer.Give(owner);
        return timer;
    }

    /// <summary>Takes a timer back. It calls its former owner no more, but for a call that has begun.</summary>
    public void Return(LimitTimer timer)
    {
        timer.Take();
        lock (_gate)
        {
            if (_free.Count < MostKept)
            {
                _free.Push(timer);
                return;
            }
        }
        timer.Dispose();
    }
}

/// <summary>One timer, which calls whoever has it at the time.</summary>
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

    /// <summary>
    /// Sets it anew. Does nothing for one who has given it back: a late call must not move the limit of another.
    /// </summary>
    public void Set(ILimited owner, TimeSpan after)
    {
        lock (_gate)
        {
            if (ReferenceEquals(_owner, owner))
            {
                _timer.Change(after > TimeSpan.Zero ? after : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    internal void Give(ILimited owner)
    {
        lock (_gate)
        {
            _owner = owner;
        }
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
        {
            owner = _owner;
        }
        owner?.OnLimit();
    }
}
