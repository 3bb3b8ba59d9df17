using Orleans.Placement;

namespace OrleansPd.Cluster.Placement;

/// <summary>A worker's writer stands on the silo beside its engine, or as near as there is one.</summary>
[GenerateSerializer, Immutable, Alias("pd.BesideEngine")]
internal sealed class BesideEngine : PlacementStrategy;

/// <summary>Marks the grain of a worker; its key is the worker's name.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class BesideEngineAttribute() : PlacementAttribute(new BesideEngine());
