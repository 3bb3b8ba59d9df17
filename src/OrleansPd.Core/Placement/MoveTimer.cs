using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Placement;

/// <summary>
/// When a worker's writer moves to a nearer silo: once that silo has been there for a while, and the writer has been where it is
/// for as long. So a silo that comes and goes draws nobody to and fro. One writer; knows no time.
/// </summary>
/// <param name="patience">How long both must have lasted.</param>
/// <param name="began">When the writer began where it is.</param>
public sealed class MoveTimer(TimeSpan patience, DateTimeOffset began)
{
    private string? _nearer;
    private DateTimeOffset _since;

    /// <summary>To be called every second or more often.</summary>
    /// <param name="worker">The worker.</param>
    /// <param name="engine">Where its engine stands.</param>
    /// <param name="here">The silo the writer is on.</param>
    /// <param name="silos">All silos that could have it, this one included or not.</param>
    /// <param name="now">The time.</param>
    /// <returns>The silo to move to; null = stay.</returns>
    public SiloLocation? Look(
        WorkerId worker, WorkerSpec engine, SiloLocation here, IEnumerable<SiloLocation> silos, DateTimeOffset now)
    {
        var best = EngineLocation.Choose(worker, engine, silos);
        if (best is null || EngineLocation.Of(engine, best) <= EngineLocation.Of(engine, here))
        {
            _nearer = null;
            return null;
        }
        if (_nearer != best.Silo)
        {
            (_nearer, _since) = (best.Silo, now);
        }
        return now - _since >= patience && now - began >= patience ? best : null;
    }
}
