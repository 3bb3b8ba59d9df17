namespace OrleansPd.Cluster.Grains;

[GenerateSerializer, Alias("pd.PoolRecord")]
internal sealed class PoolRecord
{
    [Id(0)] public ImmutableArray<WorkerMember> Members { get; set; } = [];

    [Id(1)] public int? TargetSize { get; set; }

    [Id(2)] public long LastRegistration { get; set; }

    [Id(3)] public long TargetAt { get; set; }

    /// <summary>The epoch of the last activation.</summary>
    [Id(4)] public long Epoch { get; set; }

    public static PoolRecord Of(PoolRoster roster, long epoch) => new()
    {
        Members = roster.Members,
        TargetSize = roster.TargetSize.Workers,
        TargetAt = roster.TargetSize.At,
        LastRegistration = roster.LastRegistration,
        Epoch = epoch,
    };

    public PoolRoster Roster() =>
        PoolRoster.Empty with { Members = Members, TargetSize = new(TargetSize, TargetAt), LastRegistration = LastRegistration };
}
