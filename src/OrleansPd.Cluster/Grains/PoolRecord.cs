using System.Collections.Immutable;
using OrleansPd.Core.Credits;

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

    [Id(3)]
    public long TargetAt { get; set; }

    public static PoolRecord Of(PoolRoster roster) => new()
    {
        Members = roster.Members,
        Wanted = roster.Wanted.Workers,
        TargetAt = roster.Wanted.At,
        LastRegistration = roster.LastRegistration,
    };

    public PoolRoster Roster() =>
        PoolRoster.Empty with { Members = Members, Wanted = new(Wanted, TargetAt), LastRegistration = LastRegistration };
}
