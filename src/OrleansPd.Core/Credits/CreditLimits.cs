namespace OrleansPd.Core.Credits;

/// <summary>How long credits are valid.</summary>
/// <param name="ValidFor">
/// Credits of a gateway expire when it has not reported for this time; 120 s. Long, because membership detects a dead gateway
/// much earlier, and because gateways keep using their credits while the worker's grain is away.
/// </param>
/// <param name="Learn">
/// For this time after its activation (2 s) a worker's grain grants no more than gateways report to hold, unless all of them have
/// reported before: it does not know what its former activation granted.
/// </param>
/// <param name="Turn">With fewer slots than gateways that need one, the slots rotate at this interval; 500 ms.</param>
public sealed record CreditLimits(TimeSpan ValidFor, TimeSpan Learn, TimeSpan Turn)
{
    public static CreditLimits Default { get; } = new(
        TimeSpan.FromSeconds(120), TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(500));
}
