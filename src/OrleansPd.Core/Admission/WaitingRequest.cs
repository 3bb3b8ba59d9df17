using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Admission;

/// <summary>A request that waits for capacity. Its host completes the caller when <see cref="Grant"/> is there.</summary>
public sealed class WaitingRequest
{
    internal WaitingRequest(in PairRequest request, long number, TimeSpan wait)
    {
        Request = request;
        Number = number;
        Wait = wait;
    }

    public PairRequest Request { get; }

    /// <summary>How long it may wait; the host keeps the clock.</summary>
    public TimeSpan Wait { get; }

    /// <summary>The outcome, once there is one.</summary>
    public PairGrant? Grant { get; internal set; }

    /// <summary>Whatever the host needs to find its caller again.</summary>
    public object? Tag { get; set; }

    /// <summary>Order of arrival.</summary>
    internal long Number { get; }

    /// <summary>When it joined the queue.</summary>
    internal DateTimeOffset Since { get; init; }

    /// <summary>
    /// It waits for workers that have gone away, and is refused then if they are not back. Null: they are, or it never did; it
    /// waits for capacity.
    /// </summary>
    internal DateTimeOffset? ReturnBy { get; set; }

    /// <summary>How many that came later went first because this one did not fit.</summary>
    internal int Passed { get; set; }

    internal WaitQueue? Queue { get; set; }

    internal WaitingRequest? Next { get; set; }

    internal WaitingRequest? Previous { get; set; }
}
