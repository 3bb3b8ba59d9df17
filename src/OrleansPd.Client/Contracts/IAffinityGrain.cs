using Orleans.Concurrency;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// Receives, for one gateway, the affinity entries of other gateways. Its key is the gateway's id; it is placed on that
/// gateway's silo.
/// </summary>
[Alias("pd.IAffinityGrain")]
public interface IAffinityGrain : IGrainWithStringKey
{
    /// <summary>Reports where prefixes and sessions are now. A hint: not awaited and never repeated.</summary>
    [Alias("Tell"), OneWay]
    Task Learn([Immutable] AffinityNote note);
}

/// <summary>Prefix and session keys by rank.</summary>
/// <param name="Workers">The workers, in the order in which the words refer to them.</param>
/// <param name="Words">64-bit words, little-endian: for each rank a header and its keys.</param>
[GenerateSerializer, Immutable, Alias("pd.AffinityNote")]
public sealed record AffinityNote([property: Id(0)] ImmutableArray<WorkerId> Workers, [property: Id(1)] byte[] Words);
