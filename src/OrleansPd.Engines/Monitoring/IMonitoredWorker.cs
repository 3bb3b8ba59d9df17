using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Engines.Monitoring;

/// <summary>One registration of a worker, as its monitor sees and changes it. Called from any thread.</summary>
public interface IMonitoredWorker
{
    /// <summary>The worker now; null when it is no longer this registration.</summary>
    WorkerState? Current { get; }

    /// <summary>What gateways see of it now; <see cref="WorkerPhase.Gone"/> when it is no longer this registration.</summary>
    WorkerPhase Phase { get; }

    void Apply(WorkerInput input);

    /// <summary>The engine told its load.</summary>
    void Loaded(EngineLoad load);

    /// <summary>A generation of our own that is due; null when none is, or there is nobody to try with.</summary>
    ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken);

    /// <param name="trial">The trial that ended.</param>
    /// <param name="good">Null: it was called off and says nothing.</param>
    /// <param name="reason">Why it was not good.</param>
    ValueTask EndReadinessCheckAsync(ReadinessCheck trial, bool? good, string? reason);
}
