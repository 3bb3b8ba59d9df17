namespace OrleansPd.Cluster.Options;

/// <summary>The time of our own parts, apart from the silo's: a test may move it without spinning the silo's loops.</summary>
internal sealed record PdTime(TimeProvider Clock)
{
    public DateTimeOffset Now => Clock.GetUtcNow();
}
