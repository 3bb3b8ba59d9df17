namespace OrleansPd.Engines.ControlPlanes;

/// <summary>
/// Runs the background loops of one owner until it stops. A loop that fails is logged and reported by <see cref="Died"/>, so that
/// no loop ends unnoticed. Called from any thread.
/// </summary>
/// <param name="died">Logs the failure of a loop; the second argument is its name.</param>
public sealed class LoopGuard(Action<Exception, string> died) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _loops = [];
    private readonly TaskCompletionSource<Exception> _died = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the exception of the first loop that failed.</summary>
    public Task<Exception> Died => _died.Task;

    /// <summary>Fires when the owner stops.</summary>
    public CancellationToken Stopping => _stop.Token;

    /// <summary>Starts a loop on this thread; it continues elsewhere after its first wait.</summary>
    /// <param name="name">For the log.</param>
    /// <param name="loop">Its token fires when the owner stops.</param>
    public void Run(string name, Func<CancellationToken, Task> loop)
    {
        var running = GuardAsync(name, loop);
        lock (_gate)
        {
            _loops.RemoveAll(l => l.IsCompleted);
            _loops.Add(running);
        }
    }

    /// <summary>Stops all loops and waits for their ends.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] loops;
        lock (_gate)
            loops = [.. _loops];
        await Task.WhenAll(loops).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same. The token source is not disposed: a loop may still be started late, and then ends at once.</summary>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private async Task GuardAsync(string name, Func<CancellationToken, Task> loop)
    {
        try
        {
            await loop(_stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            died(e, name);
            _died.TrySetResult(e);
        }
    }
}
