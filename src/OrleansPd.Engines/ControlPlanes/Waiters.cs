using OrleansPd.Core.Admission;
using OrleansPd.Core.Requests;

namespace OrleansPd.Engines.ControlPlanes;

/// <summary>
/// The callers of requests that wait for capacity. A caller is completed by a grant or a refusal, by its time limit, or because
/// it cancels.
/// </summary>
/// <param name="gate">The lock of the control plane.</param>
/// <param name="clock">The time.</param>
/// <param name="timeOut">Ends a wait with a refusal; false = it has ended already. Called under the lock.</param>
/// <param name="abandon">Ends a wait without an outcome; false = it has ended already. Called under the lock.</param>
public sealed class Waiters(
    Lock gate, TimeProvider clock, Func<WaitingRequest, bool> timeOut, Func<WaitingRequest, bool> abandon)
{
    /// <summary>
    /// Requests whose wait has ended. The control plane fills the list and calls <see cref="CompleteGranted"/>, both under the
    /// lock.
    /// </summary>
    public List<WaitingRequest> Granted { get; } = [];

    /// <summary>Waits for the outcome; outside the lock.</summary>
    /// <exception cref="OperationCanceledException">The token fired before there was an outcome.</exception>
    public async Task<PairGrant> WaitAsync(WaitingRequest waiting, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(waiting);
        using var timer = clock.CreateTimer(_ => TimedOut(waiting), null, waiting.Wait, Timeout.InfiniteTimeSpan);
        using var left = cancellationToken.UnsafeRegister(_ => Abandoned(waiting, cancellationToken), null);
        return await waiting.Outcome.Task.ConfigureAwait(false);
    }

    /// <summary>Completes the callers of <see cref="Granted"/> and clears it; under the lock.</summary>
    public void CompleteGranted()
    {
        foreach (var waiting in Granted)
        {
            waiting.Outcome.TrySetResult(waiting.Grant!.Value);
        }
        Granted.Clear();
    }

    private void TimedOut(WaitingRequest waiting)
    {
        lock (gate)
        {
            if (timeOut(waiting))
            {
                waiting.Outcome.TrySetResult(waiting.Grant!.Value);
            }
        }
    }

    private void Abandoned(WaitingRequest waiting, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (abandon(waiting))
            {
                waiting.Outcome.TrySetCanceled(cancellationToken);
            }
        }
    }
}
