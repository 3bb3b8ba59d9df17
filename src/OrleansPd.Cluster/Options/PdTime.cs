namespace OrleansPd.Cluster.Options;

/// <summary>
/// The clock of this library's parts; separate from the silo's, so that a test can advance it without running the silo's timers.
/// </summary>
internal sealed record PdTime(TimeProvider Clock)
{
    public DateTimeOffset Now => Clock.GetUtcNow();
}
