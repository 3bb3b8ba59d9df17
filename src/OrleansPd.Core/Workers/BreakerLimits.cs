namespace OrleansPd.Core.Workers;

/// <summary>When a breaker opens and how it closes again.</summary>
/// <param name="Failures">Failures in a row that open it.</param>
/// <param name="Successes">Trials in a row that close it.</param>
/// <param name="Open">Time without any trial after it opened or a trial failed.</param>
/// <param name="Window">Time over which the rate of failures is taken.</param>
/// <param name="Rate">Share of failures in the window that opens it, 0-1.</param>
/// <param name="MinRequests">Fewer outcomes in the window than this have no rate.</param>
/// <param name="TrialLease">A trial that has not reported by then is given to somebody else.</param>
public sealed record BreakerLimits(
    int Failures, int Successes, TimeSpan Open, TimeSpan Window, double Rate, int MinRequests, TimeSpan TrialLease);
