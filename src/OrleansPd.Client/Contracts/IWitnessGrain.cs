using System.Collections.Immutable;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// Remembers, on another silo, what a gateway has on the engines. Its key is the gateway's name. When the gateway's silo dies,
/// and with it perhaps the writers that knew of its requests, they are aborted from here.
/// </summary>
[Alias("pd.IWitnessGrain")]
public interface IWitnessGrain : IGrainWithStringKey
{
    /// <summary>Replaces what was remembered.</summary>
    [Alias("Remember"), ResponseTimeout("00:00:02")]
    Task Remember([Immutable] ImmutableArray<LegsOnWorker> legs);
}

/// <summary>What a gateway has on one engine.</summary>
/// <param name="Worker">The worker.</param>
/// <param name="Rids">Ids under which its engine knows the requests.</param>
[GenerateSerializer, Immutable, Alias("pd.LegsOnWorker")]
public sealed record LegsOnWorker([property: Id(0)] WorkerId Worker, [property: Id(1)] ImmutableArray<string> Rids);
