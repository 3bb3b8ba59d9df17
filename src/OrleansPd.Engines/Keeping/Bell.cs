namespace OrleansPd.Engines.Keeping;

/// <summary>Lets a loop sleep until a time or until it is rung, whichever comes first. Ringing twice wakes once.</summary>
public sealed class Bell(TimeProvider clock)
{
    private TaskCompletionSource _rung = New();

    public void Ring() => Volatile.Read(ref _rung).TrySetResult();

    public async Task WaitAsync(TimeSpan longest, CancellationToken cancellationToken)
    {
        using var awake = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var rung = Volatile.Read(ref _rung).Task;
        await Task.WhenAny(rung, Task.Delay(longest, clock, awake.Token)).ConfigureAwait(false);
        await awake.CancelAsync().ConfigureAwait(false);
        if (rung.IsCompleted)
        {
            Volatile.Write(ref _rung, New());
        }
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
