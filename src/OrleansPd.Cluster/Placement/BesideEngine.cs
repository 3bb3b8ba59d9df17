using Orleans.Placement;

namespace OrleansPd.Cluster.Placement;

/// <summary>Places a worker's grain on the silo nearest to its engine.</summary>
[GenerateSerializer, Immutable, Alias("pd.BesideEngine")]
internal sealed class BesideEngine : PlacementStrategy;

/// <summary>Marks the grain of a worker; its key is the worker's id.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class BesideEngineAttribute() : PlacementAttribute(new BesideEngine());
