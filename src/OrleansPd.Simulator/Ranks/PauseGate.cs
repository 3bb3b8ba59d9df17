namespace OrleansPd.Simulator.Ranks;

/// <summary>Holds work back while generation is paused.</summary>
internal sealed class PauseGate
{
    private volatile TaskCompletionSource? _paused;

    public bool IsPaused => _paused is not null;

    public void Close() => Interlocked.CompareExchange(
        ref _paused, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), null);

    public void Open() => Interlocked.Exchange(ref _paused, null)?.TrySetResult();

    public Task WaitAsync(CancellationToken ct) => _paused is { } paused ? paused.Task.WaitAsync(ct) : Task.CompletedTask;
}
