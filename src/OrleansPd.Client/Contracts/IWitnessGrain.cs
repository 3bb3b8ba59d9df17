namespace OrleansPd.Client.Contracts;

/// <summary>
/// Stores, on another silo, which requests a gateway has on the engines. Its key is the gateway's id. When the gateway's silo
/// dies, perhaps together with the worker grains that knew its requests, this grain aborts them.
/// </summary>
[Alias("pd.IWitnessGrain")]
public interface IWitnessGrain : IGrainWithStringKey
{
    /// <summary>Replaces the stored requests.</summary>
    [Alias("Remember"), ResponseTimeout("00:00:02")]
    Task Remember([Immutable] ImmutableArray<LegsOnWorker> legs);
}

/// <summary>Requests of a gateway on one engine.</summary>
/// <param name="Rids">Their request ids.</param>
[GenerateSerializer, Immutable, Alias("pd.LegsOnWorker")]
public sealed record LegsOnWorker([property: Id(0)] WorkerId Worker, [property: Id(1)] ImmutableArray<string> Rids);
