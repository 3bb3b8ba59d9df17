using Microsoft.Extensions.Logging;

namespace OrleansPd.Engines.Attempts;

/// <summary>What the calls and attempts of one dispatcher share.</summary>
internal sealed record DispatchServices(
    IControlPlane ControlPlane, IUpstream Upstream, RidSource Rids, LiveRids LiveRids, DispatchOptions Options,
    TimeProvider Clock,
    DispatchTelemetry Telemetry, ILogger Logger)
{
    private int _openPrefillLegs;
    private int _openDecodeLegs;

    public DispatchMeter Meter { get; } = new(Telemetry.Metrics);
    public EngineAborter Aborter { get; } = new(Upstream, Options, Clock);
    public LiveRequests LiveRequests { get; } = new();
    public LimitTimers Limits { get; } = new(Clock);
    public RetryBudget RetryBudget { get; } = new(Options.RetryShare, Options.RetryReserve);

    /// <summary>Cancelled to end all requests that still run. Never disposed of: it has no timer.</summary>
    public CancellationTokenSource Shutdown { get; } = new();

    public int OpenPrefillLegs => Volatile.Read(ref _openPrefillLegs);
    public int OpenDecodeLegs => Volatile.Read(ref _openDecodeLegs);

    public void LegOpened(LegSide side) =>
        Interlocked.Increment(ref side == LegSide.Prefill ? ref _openPrefillLegs : ref _openDecodeLegs);

    public void LegClosed(PairLease lease, LegSide side, LegOutcome outcome)
    {
        Interlocked.Decrement(ref side == LegSide.Prefill ? ref _openPrefillLegs : ref _openDecodeLegs);
        ControlPlane.LegEnded(lease, side, outcome);
    }

    public void Return(PairLease lease)
    {
        if (!lease.IsRegular)
            ControlPlane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
        ControlPlane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
    }

    /// <summary>Time until the limit of the whole request; negative after it.</summary>
    public TimeSpan TimeLeft(DispatchReport report) => Options.RequestTimeout - Clock.GetElapsedTime(report.StartedAt);
}
