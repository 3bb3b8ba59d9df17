using OrleansPd.Engines.Monitoring;

namespace OrleansPd.Cluster.Gateways;

/// <summary>Pauses between failing calls: 50 ms, doubled up to 1 s, and cut short when there is a reason to try again.</summary>
internal sealed class RetryDelay(TimeProvider clock)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Max = TimeSpan.FromSeconds(1);
    private readonly AsyncSignal _signal = new(clock);
    private int _failures;

    public Task WaitAsync(CancellationToken cancellationToken)
    {
        var failures = Math.Min(Interlocked.Increment(ref _failures) - 1, 10);
        var pause = First * (1 << failures);
        return _signal.WaitAsync(pause < Max ? pause : Max, cancellationToken).AsTask();
    }

    public void Succeeded() => Volatile.Write(ref _failures, 0);

    public void End()
    {
        Volatile.Write(ref _failures, 0);
        _signal.Signal();
    }
}
