using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OrleansPd.Engines.Attempts;

/// <summary>Source of the spans and metrics of one gateway. Its host creates it and disposes of it.</summary>
public sealed class DispatchTelemetry : IDisposable
{
    /// <summary>Name of the <see cref="ActivitySource"/> and of the <see cref="Meter"/>.</summary>
    public const string Name = "OrleansPd.Gateway";

    private readonly Meter? _owned;

    /// <param name="meters">Creates the meter and owns it; null = a meter without a factory.</param>
    /// <param name="sampleRatio">See <see cref="SampleRatio"/>.</param>
    public DispatchTelemetry(IMeterFactory? meters = null, double sampleRatio = 1)
    {
        Metrics = new(meters?.Create(Name) ?? (_owned = new Meter(Name)));
        SampleRatio = sampleRatio;
    }

    /// <summary>A span for each leg, child of the span of its request.</summary>
    public ActivitySource Source { get; } = new(Name);

    public MetricSet Metrics { get; }

    /// <summary>
    /// Share of the requests without a trace context of their client that are traced, 0 to 1. Default 1: the listener decides.
    /// Requests are sampled before their spans are made: a span that is dropped later costs nearly as much as one that is kept.
    /// </summary>
    public double SampleRatio { get; }

    public void Dispose()
    {
        Source.Dispose();
        _owned?.Dispose();
    }
}
