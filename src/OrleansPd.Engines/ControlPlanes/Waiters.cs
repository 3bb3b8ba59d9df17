using OrleansPd.Core.Admission;

namespace OrleansPd.Engines.ControlPlanes;

/// <summary>
/// The callers of requests that wait for capacity. A caller is completed by a grant or a refusal, by its time limit, or because
/// it cancels.
/// </summary>
/// <param name="gate">The lock of the control plane.</param>
/// <param name="clock">The time.</param>
public sealed class Waiters(Lock gate, TimeProvider clock)
{
    private readonly List<WaitingRequest> _granted = [];

    /// <summary>Set under the lock, before the first request waits.</summary>
    public AdmissionState? State { get; set; }

    /// <summary>Waits for the outcome; outside the lock.</summary>
    /// <exception cref="OperationCanceledException">The token fired before there was an outcome.</exception>
    public async Task<PairGrant> WaitAsync(WaitingRequest waiting, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(waiting);
        using var timer = clock.CreateTimer(_ => TimedOut(waiting), null, waiting.Wait, Timeout.InfiniteTimeSpan);
        using var left = cancellationToken.UnsafeRegister(_ => Abandoned(waiting, cancellationToken), null);
        return await waiting.Outcome.Task.ConfigureAwait(false);
    }

    /// <summary>Completes the callers whose wait has ended; under the lock, after each transition of the state.</summary>
    public void CompleteGranted()
    {
        State?.TakeGranted(_granted);
        foreach (var waiting in _granted)
            waiting.Outcome.TrySetResult(waiting.Grant!.Value);
        _granted.Clear();
    }

    private void TimedOut(WaitingRequest waiting)
    {
        lock (gate)
        {
            if (State!.TimedOut(waiting, clock.GetUtcNow(), clock.GetTimestamp()))
                waiting.Outcome.TrySetResult(waiting.Grant!.Value);
            CompleteGranted();
        }
    }

    private void Abandoned(WaitingRequest waiting, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (State!.Abandon(waiting, clock.GetUtcNow(), clock.GetTimestamp()))
                waiting.Outcome.TrySetCanceled(cancellationToken);
            CompleteGranted();
        }
    }
}
