using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Engines.Probes;

/// <summary>Asks engines how they are. Never throws for what an engine does; only for the caller's cancellation.</summary>
public interface IEngineProbe
{
    /// <summary>Reads what the engine tells about itself, from as many sources as it has.</summary>
    Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken);

    /// <summary>
    /// Reads again what may have changed: whether it is the same process, its adapters, its limits. Costs the engine less than
    /// <see cref="DescribeAsync"/>, which it is by default.
    /// </summary>
    /// <param name="worker">The worker.</param>
    /// <param name="known">What was read of it before; what is not asked again stays.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    Task<EngineReading> DescribeAgainAsync(WorkerSpec worker, WorkerFacts known, CancellationToken cancellationToken) =>
        DescribeAsync(worker, cancellationToken);

    /// <summary>Is a process there that answers? Cheap: asks nothing of a scheduler.</summary>
    Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken);

    /// <summary>
    /// The engine's own health check; by default it generates a token and takes at least a second, at most some 20.
    /// </summary>
    Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken);

    /// <summary>A real generation of two tokens, through both legs at the same time or on a regular worker alone.</summary>
    Task<ProbeAnswer> GenerateAsync(ReadinessCheck trial, CancellationToken cancellationToken);

    /// <summary>What the engine says of its load: cheap, asks nothing of a scheduler. By default: it says nothing.</summary>
    Task<EngineLoad> LoadAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
        Task.FromResult(EngineLoad.Untold("it was not asked"));

    /// <summary>Asks the engine to take another role. By default: it cannot.</summary>
    Task<RoleSwitchAnswer> SwitchRoleAsync(WorkerSpec worker, WorkerRole role, CancellationToken cancellationToken) =>
        Task.FromResult(new RoleSwitchAnswer(RoleSwitchOutcome.Refused, "its engine cannot switch roles"));
}
