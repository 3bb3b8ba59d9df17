using Orleans.Runtime.Placement;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Workers;
using OrleansPd.Core.Placement;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Placement;

/// <summary>
/// Places writers by <see cref="EngineLocation"/>. A worker that was just added is known to its pool alone, which runs in this
/// process when it asks for its writer; all others are known to the gateway here.
/// </summary>
internal sealed class BesideEngineDirector(SiloMap silos, ClusterControlPlane plane, WorkerRegistry registry) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var all = context.GetCompatibleSilos(target);
        var serving = all.Where(silos.IsActive).ToArray();
        var places = (serving.Length > 0 ? serving : all).ToDictionary(silos.LocationOf);
        var worker = new WorkerId(target.GrainIdentity.Key.ToString()!);
        var engine = plane.ReportOf(worker)?.Spec ?? registry.Expected(worker) ?? Unknown(worker);
        return Task.FromResult(places[EngineLocation.Choose(worker, engine, places.Keys)!]);
    }

    /// <summary>Most workers are named by the addresses of their engines.</summary>
    private static WorkerSpec Unknown(WorkerId worker) => new()
    {
        Url = Uri.TryCreate(worker.Value, UriKind.Absolute, out var url) && url.Host.Length > 0
            ? url
            : new Uri("http://localhost"),
        Role = WorkerRole.Regular,
    };
}
