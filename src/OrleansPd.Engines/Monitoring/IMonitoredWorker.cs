namespace OrleansPd.Engines.Monitoring;

/// <summary>One registration of a worker, as its monitor reads and changes it. Thread-safe.</summary>
public interface IMonitoredWorker
{
    /// <summary>The current state of the worker; null when this registration has ended.</summary>
    WorkerState? Current { get; }

    /// <summary>The phase that gateways see; <see cref="WorkerPhase.Gone"/> when this registration has ended.</summary>
    WorkerPhase Phase { get; }

    void Apply(WorkerInput input);

    /// <summary>The engine reported its load.</summary>
    void Loaded(EngineLoad load);

    /// <summary>Begins the readiness check that is due; null when none is due, or no partner is available.</summary>
    ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken);

    /// <param name="check">The check that ended.</param>
    /// <param name="good">Null: the check was cancelled and has no result.</param>
    /// <param name="reason">Why the check failed.</param>
    ValueTask EndReadinessCheckAsync(ReadinessCheck check, bool? good, string? reason);
}
