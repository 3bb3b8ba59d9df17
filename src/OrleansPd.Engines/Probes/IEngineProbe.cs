namespace OrleansPd.Engines.Probes;

/// <summary>Probes engines. Never throws for a failure of an engine; only for the caller's cancellation.</summary>
public interface IEngineProbe
{
    /// <summary>Reads the facts that the engine reports, from all its sources.</summary>
    Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken);

    /// <summary>
    /// Reads again what may have changed: the process, its adapters, its limits. Costs the engine less than
    /// <see cref="DescribeAsync"/>, which is the default implementation.
    /// </summary>
    /// <param name="worker">The worker.</param>
    /// <param name="known">The facts read before; those that are not read again are kept.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    Task<EngineReading> DescribeAgainAsync(WorkerSpec worker, WorkerFacts known, CancellationToken cancellationToken) =>
        DescribeAsync(worker, cancellationToken);

    /// <summary>Whether a process answers. Cheap: does not query a scheduler.</summary>
    Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken);

    /// <summary>The engine's own health check; by default it generates a token and takes 1 to about 20 s.</summary>
    Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken);

    /// <summary>A generation of two tokens, on both legs at the same time or on a regular worker.</summary>
    Task<ProbeAnswer> GenerateAsync(ReadinessCheck check, CancellationToken cancellationToken);

    /// <summary>The load that the engine reports. Cheap: does not query a scheduler. Default: no report.</summary>
    Task<EngineLoad> LoadAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
        Task.FromResult(EngineLoad.Failed("it was not queried"));

    /// <summary>Switches the engine's role. Default: refused.</summary>
    Task<RoleSwitchAnswer> SwitchRoleAsync(WorkerSpec worker, WorkerRole role, CancellationToken cancellationToken) =>
        Task.FromResult(new RoleSwitchAnswer(RoleSwitchOutcome.Refused, "its engine cannot switch roles"));
}
