using OrleansPd.Core.Fleet;

namespace OrleansPd.Core.Leases;

/// <summary>A worker as its pool knows it.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Spec">What the operator said of it.</param>
/// <param name="Registration">Unique for each time a worker is added to the cluster; later ones are higher.</param>
public sealed record WorkerMember(WorkerId Id, WorkerSpec Spec, long Registration)
{
    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Spec} #{Registration}";
}
