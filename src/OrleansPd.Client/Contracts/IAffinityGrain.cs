using System.Collections.Immutable;
using Orleans.Concurrency;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// The ear of one gateway for what the others' policies learn. Its key is the gateway's name; it stands on that gateway's silo.
/// </summary>
[Alias("pd.IAffinityGrain")]
public interface IAffinityGrain : IGrainWithStringKey
{
    /// <summary>Which prefixes and sessions are where now. A hint: nobody waits for it, and nothing is said twice.</summary>
    [Alias("Tell"), OneWay]
    Task Tell([Immutable] AffinityNote note);
}

/// <summary>Which keys are on which ranks.</summary>
/// <param name="Workers">The workers that are meant.</param>
/// <param name="Words">Words of 64 bits, little-endian: for each rank a head and its keys.</param>
[GenerateSerializer, Immutable, Alias("pd.AffinityNote")]
public sealed record AffinityNote([property: Id(0)] ImmutableArray<WorkerId> Workers, [property: Id(1)] byte[] Words);
