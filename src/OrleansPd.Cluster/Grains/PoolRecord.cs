using System.Collections.Immutable;
using OrleansPd.Core.Leases;

namespace OrleansPd.Cluster.Grains;

/// <summary>What is stored of a pool.</summary>
[GenerateSerializer, Alias("pd.PoolRecord")]
internal sealed class PoolRecord
{
    [Id(0)]
    public ImmutableArray<WorkerMember> Members { get; set; } = [];

    [Id(1)]
    public int? Wanted { get; set; }

    [Id(2)]
    public long LastRegistration { get; set; }
}
