namespace OrleansPd.Core.Workers;

/// <summary>When a breaker opens and how it closes again.</summary>
/// <param name="Failures">Consecutive failures that open it.</param>
/// <param name="Successes">Consecutive successful half-open requests that close it.</param>
/// <param name="Open">Time without requests after it opened or a half-open request failed.</param>
/// <param name="Window">Time over which the failure rate is measured.</param>
/// <param name="Rate">Failure rate in the window that opens it, 0-1.</param>
/// <param name="MinRequests">With fewer outcomes in the window the rate is ignored.</param>
/// <param name="HalfOpenTimeout">A half-open request without an outcome after this time no longer blocks the next one.</param>
public sealed record BreakerLimits(
    int Failures, int Successes, TimeSpan Open, TimeSpan Window, double Rate, int MinRequests, TimeSpan HalfOpenTimeout);
