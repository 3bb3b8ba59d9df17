namespace OrleansPd.Core.Credits;

/// <summary>How long credits live.</summary>
/// <param name="ValidFor">
/// A gateway that was not heard of for so long has lost its credits. Long, because a dead gateway is noticed by membership long
/// before, and because gateways go on with what they hold while the worker's writer is away.
/// </param>
/// <param name="Learn">
/// A new writer of a worker grants nothing beyond what gateways say they hold for so long, unless all of them have spoken
/// before: it does not know what its former life granted.
/// </param>
/// <param name="Turn">Where there are fewer places than gateways that want one, the places change hands this often.</param>
public sealed record CreditLimits(TimeSpan ValidFor, TimeSpan Learn, TimeSpan Turn)
{
    public static CreditLimits Default { get; } = new(
        TimeSpan.FromSeconds(120), TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(500));
}
