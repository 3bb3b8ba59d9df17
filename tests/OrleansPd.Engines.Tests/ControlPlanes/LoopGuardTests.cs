using OrleansPd.Engines.ControlPlanes;

namespace OrleansPd.Engines.Tests.ControlPlanes;

public class LoopGuardTests
{
    [Fact]
    public async Task A_loop_that_fails_is_logged_by_name_and_reported()
    {
        (Exception Error, string Name)? logged = null;
        await using var loops = new LoopGuard((error, name) => logged = (error, name));
        var failure = new InvalidOperationException("broken");
        loops.Run("good", stop => Task.Delay(Timeout.Infinite, stop));
        loops.Run("bad", _ => Task.FromException(failure));
        Assert.Same(failure, await loops.Died);
        Assert.Equal((failure, "bad"), logged);
    }

    [Fact]
    public async Task Loops_that_stop_with_their_owner_have_not_failed()
    {
        var loops = new LoopGuard((_, name) => Assert.Fail(name));
        loops.Run("loop", stop => Task.Delay(Timeout.Infinite, stop));
        await loops.StopAsync(TestContext.Current.CancellationToken);
        Assert.False(loops.Died.IsCompleted);
        loops.Run("late", stop => Task.Delay(Timeout.Infinite, stop));
        await loops.StopAsync(TestContext.Current.CancellationToken);
        Assert.False(loops.Died.IsCompleted);
    }
}
