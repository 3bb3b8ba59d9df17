namespace OrleansPd.Core.Requests;

/// <summary>How a leg ended, as far as the worker's breaker and load are concerned.</summary>
public enum LegOutcome
{
    /// <summary>The engine did its part; counts for it.</summary>
    Succeeded,

    /// <summary>The engine is at fault; charged to its breaker.</summary>
    Failed,

    /// <summary>Cancelled, the client's fault, overload, or the partner's fault: charged to nobody.</summary>
    Neutral,
}
