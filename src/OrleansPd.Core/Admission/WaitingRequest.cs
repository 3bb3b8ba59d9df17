namespace OrleansPd.Core.Admission;

/// <summary>A request that waits for capacity. The host answers the caller when <see cref="Grant"/> is set.</summary>
public sealed class WaitingRequest
{
    internal WaitingRequest(in PairRequest request, long number, TimeSpan wait)
    {
        Request = request;
        Number = number;
        Wait = wait;
    }

    public PairRequest Request { get; }

    /// <summary>Maximum wait; the host runs the timer.</summary>
    public TimeSpan Wait { get; }

    /// <summary>The outcome; null while the request waits.</summary>
    public PairGrant? Grant { get; internal set; }

    /// <summary>What the caller awaits; the host completes it, outside of Core.</summary>
    public TaskCompletionSource<PairGrant> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Order of arrival.</summary>
    internal long Number { get; }

    internal DateTimeOffset Since { get; init; }

    /// <summary>
    /// Time until which it waits for workers to return; it is refused then if they have not. Null: it waits for capacity.
    /// </summary>
    internal DateTimeOffset? ReturnBy { get; set; }

    /// <summary>Number of later requests that were served first because this one did not fit.</summary>
    internal int Passed { get; set; }

    internal WaitQueue? Queue { get; set; }
    internal WaitingRequest? Next { get; set; }
    internal WaitingRequest? Previous { get; set; }
}
