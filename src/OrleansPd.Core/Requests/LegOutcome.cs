namespace OrleansPd.Core.Requests;

/// <summary>How a leg ended, for the breaker of its worker.</summary>
public enum LegOutcome
{
    /// <summary>The engine did its part; counts as a success.</summary>
    Succeeded,

    /// <summary>The engine is at fault; charged to its breaker.</summary>
    Failed,

    /// <summary>Cancelled, the client's fault, overload, or the partner's fault: not charged to the worker.</summary>
    Neutral,
}
