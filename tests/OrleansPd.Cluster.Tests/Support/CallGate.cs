namespace OrleansPd.Cluster.Tests.Support;

/// <summary>Delays every grain call of a silo while it is closed: a request that awaited one would hang.</summary>
internal sealed class CallGate : IOutgoingGrainCallFilter
{
    private TaskCompletionSource? _closed;
    private int _held;

    /// <summary>Calls that wait at the gate.</summary>
    public int Held => Volatile.Read(ref _held);

    public void Close() => Volatile.Write(ref _closed, new(TaskCreationOptions.RunContinuationsAsynchronously));

    public void Open() => Interlocked.Exchange(ref _closed, null)?.SetResult();

    public async Task Invoke(IOutgoingGrainCallContext context)
    {
        if (Volatile.Read(ref _closed) is { } closed
            && context.InterfaceMethod.DeclaringType?.Namespace?.StartsWith("OrleansPd.", StringComparison.Ordinal) == true)
        {
            Interlocked.Increment(ref _held);
            await closed.Task;
        }
        await context.Invoke();
    }
}
