namespace OrleansPd.Core.Credits;

/// <summary>When a gateway distrusts its own credits.</summary>
/// <param name="Frozen">
/// A process that did not run for so long may have been taken for dead meanwhile, and its credits given to others: it starts
/// nothing until the workers' writers have confirmed them. Below the shortest time in which membership declares a silo dead.
/// </param>
public sealed record GatewayLimits(TimeSpan Frozen)
{
    public static GatewayLimits Default { get; } = new(TimeSpan.FromMilliseconds(900));
}
