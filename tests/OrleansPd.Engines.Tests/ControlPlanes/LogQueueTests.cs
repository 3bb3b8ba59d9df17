using System.Collections.Concurrent;
using OrleansPd.Engines.ControlPlanes;

namespace OrleansPd.Engines.Tests.ControlPlanes;

public class LogQueueTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Lines_are_written_in_order_and_never_on_the_caller()
    {
        var written = new ConcurrentQueue<int>();
        using var block = new ManualResetEventSlim();
        var queue = new LogQueue(_ => { });
        queue.Add(() => block.Wait(TestContext.Current.CancellationToken)); // a caller that wrote it would stay here
        for (var i = 0; i < 1000; i++)
        {
            var line = i;
            queue.Add(() => written.Enqueue(line));
        }
        Assert.Empty(written);
        block.Set();
        await queue.FlushAsync().WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, 1000), written);
    }

    [Fact]
    public async Task A_full_queue_drops_lines_and_says_how_many()
    {
        var written = 0;
        var dropped = new ConcurrentQueue<long>();
        using var block = new ManualResetEventSlim();
        using var isBlocked = new ManualResetEventSlim();
        var queue = new LogQueue(dropped.Enqueue);
        queue.Add(() =>
        {
            isBlocked.Set();
            block.Wait(TestContext.Current.CancellationToken);
        });
        Assert.True(isBlocked.Wait(Limit, TestContext.Current.CancellationToken));
        for (var i = 0; i < LogQueue.MaxWaiting + 7; i++)
            queue.Add(() => written++);
        block.Set();
        while (written < LogQueue.MaxWaiting)
            await Task.Delay(5, TestContext.Current.CancellationToken);
        await queue.FlushAsync().WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(LogQueue.MaxWaiting, written);
        Assert.Equal([7L], dropped);
    }

    [Fact]
    public async Task A_line_that_throws_does_not_stop_the_next_ones()
    {
        var queue = new LogQueue(_ => { });
        queue.Add(() => throw new InvalidOperationException("a broken log provider"));
        await queue.FlushAsync().WaitAsync(Limit, TestContext.Current.CancellationToken);
    }
}
