namespace OrleansPd.Cluster.Grains;

[GenerateSerializer, Alias("pd.FleetRecord")]
internal sealed class FleetRecord
{
    [Id(0)] public ImmutableHashSet<string> Pools { get; set; } = [];

    [Id(1)] public ImmutableSortedDictionary<int, string> Prefixes { get; set; } = ImmutableSortedDictionary<int, string>.Empty;

    /// <summary>The epoch of the last feed.</summary>
    [Id(2)] public long Epoch { get; set; }
}
