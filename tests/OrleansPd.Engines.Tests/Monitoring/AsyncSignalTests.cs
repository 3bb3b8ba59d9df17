using OrleansPd.Engines.Monitoring;
using OrleansPd.Testing;

namespace OrleansPd.Engines.Tests.Monitoring;

public sealed class BellTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly CountingTimeProvider _clock = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_wait_ends_at_its_time_out_and_not_before()
    {
        var signal = new AsyncSignal(_clock);
        for (var i = 0; i < 3; i++)
        {
            var wait = signal.WaitAsync(Second, Token).AsTask();
            _clock.Advance(Second - TimeSpan.FromTicks(1));
            Assert.False(wait.IsCompleted);
            _clock.Advance(TimeSpan.FromTicks(1));
            await EndsAsync(wait);
        }
        Assert.Equal(0, _clock.Armed);
    }

    [Fact]
    public async Task Long_waits_end_at_a_common_tick_and_short_ones_at_their_own_time()
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
    public async Task A_signal_ends_the_current_or_the_next_wait_and_two_signals_end_one()
    {
        var signal = new AsyncSignal(_clock);
        var wait = signal.WaitAsync(Second, Token).AsTask();
        signal.Signal();
        await EndsAsync(wait);

        signal.Signal();
        signal.Signal();
        await EndsAsync(signal.WaitAsync(Second, Token).AsTask());
        var last = signal.WaitAsync(Second, Token).AsTask();
        Assert.False(last.IsCompleted);
        _clock.Advance(Second);
        await EndsAsync(last);
    }

    [Fact]
    public async Task A_cancelled_wait_throws_and_the_signal_can_be_awaited_again()
    {
        var signal = new AsyncSignal(_clock);
        using var stop = new CancellationTokenSource();
        var wait = signal.WaitAsync(Second, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => EndsAsync(wait));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => signal.WaitAsync(Second, stop.Token).AsTask());

        var next = signal.WaitAsync(Second, Token).AsTask();
        Assert.False(next.IsCompleted);
        signal.Signal();
        await EndsAsync(next);
    }

    private static Task EndsAsync(Task wait) => wait.WaitAsync(TimeSpan.FromSeconds(20), Token);
}
