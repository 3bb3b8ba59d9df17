namespace OrleansPd.Core.Placement;

/// <summary>
/// Decides when a worker's grain moves to a nearer silo: after that silo was present for a time, and the grain was where it is
/// for as long. So a silo that restarts again and again does not move grains back and forth. Not thread-safe.
/// </summary>
/// <param name="timeout">How long both must last.</param>
/// <param name="began">When the grain was activated on this silo.</param>
public sealed class MoveTimer(TimeSpan timeout, DateTimeOffset began)
{
    private string? _nearer;
    private DateTimeOffset _since;

    /// <summary>Call at least once a second.</summary>
    /// <param name="engine">Its specification, with the labels of its location.</param>
    /// <param name="here">The silo of the grain.</param>
    /// <param name="silos">All silos that can host the grain.</param>
    /// <returns>The silo to move to; null = stay.</returns>
    public SiloLocation? Next(
        WorkerId worker, WorkerSpec engine, SiloLocation here, IEnumerable<SiloLocation> silos, DateTimeOffset now)
    {
        var best = EngineLocation.Choose(worker, engine, silos);
        if (best is null || EngineLocation.Of(engine, best) <= EngineLocation.Of(engine, here))
        {
            _nearer = null;
            return null;
        }
        if (_nearer != best.Silo)
            (_nearer, _since) = (best.Silo, now);
        return now - _since >= timeout && now - began >= timeout ? best : null;
    }
}
