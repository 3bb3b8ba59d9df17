namespace OrleansPd.Cluster.Placement;

/// <summary>A part of this process that knows the specifications of some workers.</summary>
internal interface IKnownWorkers
{
    /// <summary>The worker as it was registered; null = not known here.</summary>
    WorkerSpec? SpecOf(WorkerId id);
}
