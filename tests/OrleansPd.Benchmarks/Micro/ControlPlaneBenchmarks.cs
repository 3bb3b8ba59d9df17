using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;
using OrleansPd.Standalone;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>
/// The control plane as the gateway meets it, its lock and its clock included: asking for a pair, and reporting the legs.
/// </summary>
public class ControlPlaneBenchmarks
{
    private EmbeddedControlPlane _plane = null!;

    [Params(16)]
    public int Workers { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var options = BenchFleet.Options("least_load");
        options.LoadIntervalSecs = 0;
        for (var i = 0; i < 2 * Workers; i++)
        {
            options.Workers.Add(new WorkerSpec
            {
                Url = new Uri($"http://10.0.0.{i}:30000"),
                Role = i < Workers ? WorkerRole.Prefill : WorkerRole.Decode,
            });
        }
        _plane = EmbeddedControlPlane.Create(options, new Healthy(), TimeProvider.System, seed: 1, NullLogger.Instance);
        _plane.StartAsync().GetAwaiter().GetResult();
        if (!SpinWait.SpinUntil(() => _plane.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready), TimeSpan.FromSeconds(30)))
            throw new InvalidOperationException(_plane.Fleet.WhyNotReady ?? "not all workers came up");
    }

    [GlobalCleanup]
    public void Cleanup() => _plane.DisposeAsync().AsTask().GetAwaiter().GetResult();

    [Benchmark]
    public long AcquireAndReport()
    {
        var grant = _plane.AcquireAsync(new PairRequest { PromptTokens = 2000, MaxNewTokens = 256 }, CancellationToken.None);
        var lease = grant is { IsCompletedSuccessfully: true, Result.Lease: { } granted } ? granted
            : throw new InvalidOperationException("no lease");
        _plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded);
        _plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
        return lease.Id;
    }

    private sealed class Healthy : IEngineProbe
    {
        public Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            Task.FromResult(EngineReading.Of(BenchFleet.Facts));

        public Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            Task.FromResult(ProbeAnswer.Good);

        public Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            Task.FromResult(ProbeAnswer.Good);

        public Task<ProbeAnswer> GenerateAsync(ReadinessCheck trial, CancellationToken cancellationToken) =>
            Task.FromResult(ProbeAnswer.Good);
    }
}
