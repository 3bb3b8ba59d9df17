using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Workers;

public sealed class BreakerTests
{
    private static readonly BreakerLimits Limits = new(
        Failures: 3, Successes: 2, Open: TimeSpan.FromSeconds(5), Window: TimeSpan.FromSeconds(100), Rate: 0.5, MinRequests: 10,
        HalfOpenTimeout: TimeSpan.FromSeconds(30));

    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Failures_in_a_row_open_it_and_one_success_starts_the_count_again()
    {
        var breaker = default(Breaker).Failed(Limits, Start).Failed(Limits, Start).Succeeded(Limits, Start)
            .Failed(Limits, Start).Failed(Limits, Start);
        Assert.False(breaker.IsOpen);
        Assert.True(breaker.Failed(Limits, Start).IsOpen);
    }

    [Fact]
    public void A_rate_of_failures_opens_it_without_a_row()
    {
        var breaker = default(Breaker);
        for (var i = 0; i < 4; i++)
            breaker = breaker.Failed(Limits, Start).Succeeded(Limits, Start);
        Assert.False(breaker.Failed(Limits, Start).IsOpen); // 9 outcomes: no rate yet
        Assert.True(breaker.Failed(Limits, Start).Failed(Limits, Start).IsOpen);
    }

    [Fact]
    public void Failures_outside_the_window_are_forgotten()
    {
        var breaker = default(Breaker);
        for (var i = 0; i < 4; i++)
            breaker = breaker.Failed(Limits, Start).Succeeded(Limits, Start);
        var later = Start.AddSeconds(101);
        Assert.False(breaker.Failed(Limits, later).Failed(Limits, later).IsOpen);
    }

    [Fact]
    public void Half_open_admits_one_request_at_a_time_and_enough_good_ones_close_it()
    {
        var open = Breaker.Opened(Limits, Start);
        Assert.False(open.TryHalfOpen(Limits, Start.AddSeconds(4.9), out _));
        Assert.True(open.TryHalfOpen(Limits, Start.AddSeconds(5), out var trying));
        Assert.False(trying.TryHalfOpen(Limits, Start.AddSeconds(6), out _));
        var once = trying.HalfOpenEnded(Limits, good: true, Start.AddSeconds(7));
        Assert.True(once.IsOpen);
        Assert.True(once.TryHalfOpen(Limits, Start.AddSeconds(7), out var again));
        Assert.Equal(default, again.HalfOpenEnded(Limits, good: true, Start.AddSeconds(8)));
    }

    [Fact]
    public void A_failed_half_open_request_opens_it_again()
    {
        _ = Breaker.Opened(Limits, Start).TryHalfOpen(Limits, Start.AddSeconds(5), out var trying);
        var next = trying.HalfOpenEnded(Limits, good: false, Start.AddSeconds(6));
        Assert.False(next.TryHalfOpen(Limits, Start.AddSeconds(10.9), out _));
        Assert.True(next.TryHalfOpen(Limits, Start.AddSeconds(11), out _));
    }

    [Fact]
    public void A_half_open_request_without_an_outcome_blocks_the_next_one_only_until_its_time_limit()
    {
        _ = Breaker.Opened(Limits, Start).TryHalfOpen(Limits, Start.AddSeconds(5), out var trying);
        Assert.False(trying.TryHalfOpen(Limits, Start.AddSeconds(34.9), out _));
        Assert.True(trying.TryHalfOpen(Limits, Start.AddSeconds(35), out _));
    }

    [Fact]
    public void Legs_that_started_before_it_opened_neither_close_nor_prolong_it()
    {
        var open = Breaker.Opened(Limits, Start);
        Assert.Equal(open, open.Succeeded(Limits, Start.AddSeconds(1)).Failed(Limits, Start.AddSeconds(2)));
    }
}
