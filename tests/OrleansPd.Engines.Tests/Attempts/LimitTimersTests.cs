using OrleansPd.Engines.Attempts;
using OrleansPd.Testing;

namespace OrleansPd.Engines.Tests.Attempts;

/// <summary>Attempts reuse timers: an attempt neither gets a call for another's limit nor changes it.</summary>
public sealed class LimitTimersTests
{
    private readonly CountingTimeProvider _clock = new();
    private readonly LimitTimers _timers;

    public LimitTimersTests()
    {
        _timers = new LimitTimers(_clock);
    }

    [Fact]
    public void A_limit_calls_its_owner_once()
    {
        var owner = new Owner();
        _timers.Rent(owner).Set(owner, TimeSpan.FromSeconds(10));

        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(0, owner.Calls);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, owner.Calls);
    }

    [Fact]
    public void A_returned_timer_does_not_fire_and_is_reused()
    {
        var (first, second) = (new Owner(), new Owner());
        var timer = _timers.Rent(first);
        timer.Set(first, TimeSpan.FromSeconds(10));
        _timers.Return(timer);

        Assert.Same(timer, _timers.Rent(second));
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((0, 0), (first.Calls, second.Calls));
    }

    [Fact]
    public void A_former_owner_cannot_change_the_limit_of_the_next()
    {
        var (first, second) = (new Owner(), new Owner());
        var timer = _timers.Rent(first);
        _timers.Return(timer);
        Assert.Same(timer, _timers.Rent(second));
        timer.Set(second, TimeSpan.FromSeconds(10));

        timer.Set(first, TimeSpan.FromHours(1));

        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal((0, 1), (first.Calls, second.Calls));
    }

    [Fact]
    public void A_burst_leaves_no_more_than_the_maximum_of_idle_timers()
    {
        var owner = new Owner();
        var rented = Enumerable.Range(0, 2000).Select(_ => _timers.Rent(owner)).ToArray();
        Array.ForEach(rented, timer => timer.Set(owner, TimeSpan.FromSeconds(1)));
        Array.ForEach(rented, _timers.Return);

        Assert.Equal(0, _clock.Armed);
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, owner.Calls);
    }

    private sealed class Owner : ILimited
    {
        public int Calls { get; private set; }

        public void OnLimit() => Calls++;
    }
}
