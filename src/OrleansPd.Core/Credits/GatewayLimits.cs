namespace OrleansPd.Core.Credits;

/// <summary>When a gateway distrusts its own credits.</summary>
/// <param name="Frozen">
/// A process that was paused for this long may have been declared dead and its credits granted to others: it starts no request
/// until the workers' grains have confirmed them. Below the shortest time in which membership declares a silo dead.
/// </param>
public sealed record GatewayLimits(TimeSpan Frozen)
{
    public static GatewayLimits Default { get; } = new(TimeSpan.FromMilliseconds(900));
}
