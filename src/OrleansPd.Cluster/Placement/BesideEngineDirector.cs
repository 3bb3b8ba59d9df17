using Orleans.Runtime.Placement;
using OrleansPd.Core.Placement;

namespace OrleansPd.Cluster.Placement;

/// <summary>
/// Places the grain of a worker by <see cref="EngineLocation"/>. The gateway of this process knows all workers of the fleet; a
/// worker that was just added is known only to its pool, which calls its grain from this process.
/// </summary>
/// <param name="silos">Locations of the silos.</param>
/// <param name="known">Queried in order: the gateway, then the pools.</param>
internal sealed class BesideEngineDirector(SiloMap silos, IEnumerable<IKnownWorkers> known) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var all = context.GetCompatibleSilos(target);
        var serving = all.Where(silos.IsActive).ToArray();
        var locations = (serving.Length > 0 ? serving : all).ToDictionary(silos.LocationOf);
        var worker = new WorkerId(target.GrainIdentity.Key.ToString()!);
        var engine = known.Select(k => k.SpecOf(worker)).FirstOrDefault(spec => spec is not null) ?? FromName(worker);
        return Task.FromResult(locations[EngineLocation.Choose(worker, engine, locations.Keys)!]);
    }

    /// <summary>Unless the operator names a worker, its id is the address of its engine.</summary>
    private static WorkerSpec FromName(WorkerId worker) => new()
    {
        Url = Uri.TryCreate(worker.Value, UriKind.Absolute, out var url) && url.Host.Length > 0
            ? url
            : new Uri("http://localhost"),
        Role = WorkerRole.Regular,
    };
}
