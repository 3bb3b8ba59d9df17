using OrleansPd.Engines.Monitoring;
using OrleansPd.Testing;

namespace OrleansPd.Engines.Tests.Monitoring;

public sealed class BellTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly CountingTimeProvider _clock = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_wait_ends_at_its_time_and_not_before()
    {
        var bell = new AsyncSignal(_clock);
        for (var i = 0; i < 3; i++)
        {
            var wait = bell.WaitAsync(Second, Token).AsTask();
            _clock.Advance(Second - TimeSpan.FromTicks(1));
            Assert.False(wait.IsCompleted);
            _clock.Advance(TimeSpan.FromTicks(1));
            await EndsAsync(wait);
        }
        Assert.Equal(0, _clock.Armed);
    }

    [Fact]
    public async Task Long_waits_that_began_at_different_times_end_together_and_short_ones_at_their_own()
    {
        var (first, second, brief) = (new AsyncSignal(_clock), new AsyncSignal(_clock), new AsyncSignal(_clock));
        var waits = new List<Task> { first.WaitAsync(Second * 2, Token).AsTask() };
        _clock.Advance(TimeSpan.FromMilliseconds(70));
        waits.Add(second.WaitAsync(Second * 1.97, Token).AsTask());
        var other = brief.WaitAsync(Second * 0.99, Token).AsTask();
        _clock.Advance(TimeSpan.FromMilliseconds(989));
        Assert.False(other.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await EndsAsync(other);

        _clock.Advance(TimeSpan.FromMilliseconds(939));
        Assert.DoesNotContain(waits, wait => wait.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await EndsAsync(Task.WhenAll(waits));
    }

    [Fact]
    public async Task Ringing_ends_the_wait_that_is_or_the_next_one_and_twice_is_once()
    {
        var bell = new AsyncSignal(_clock);
        var wait = bell.WaitAsync(Second, Token).AsTask();
        bell.Signal();
        await EndsAsync(wait);

        bell.Signal();
        bell.Signal();
        await EndsAsync(bell.WaitAsync(Second, Token).AsTask());
        var last = bell.WaitAsync(Second, Token).AsTask();
        Assert.False(last.IsCompleted);
        _clock.Advance(Second);
        await EndsAsync(last);
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_ends_so_and_the_bell_can_be_waited_for_again()
    {
        var bell = new AsyncSignal(_clock);
        using var stop = new CancellationTokenSource();
        var wait = bell.WaitAsync(Second, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => EndsAsync(wait));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => bell.WaitAsync(Second, stop.Token).AsTask());

        var next = bell.WaitAsync(Second, Token).AsTask();
        Assert.False(next.IsCompleted);
        bell.Signal();
        await EndsAsync(next);
    }

    private static Task EndsAsync(Task wait) => wait.WaitAsync(TimeSpan.FromSeconds(20), Token);
}
