using OrleansPd.Core.Options;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Monitoring;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Engines.Tests.Monitoring;

public sealed class WorkerMonitorTests
{
    [Fact]
    public async Task A_loop_that_fails_stops_the_others_and_is_reported_to_the_host()
    {
        var worker = new ReadyWorker();
        var options = new ControlPlaneOptions { LoadIntervalSecs = 1 };
        var monitor = new WorkerMonitor(
            worker, worker.Current!, new FailingProbe(), options, TimeProvider.System, new Random(1), new MonitorPace());

        var running = monitor.RunAsync(TestContext.Current.CancellationToken);
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => running.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));

        Assert.Equal("a bug in a loop", failure.Message);
    }

    /// <summary>A ready worker: its monitor only probes it.</summary>
    private sealed class ReadyWorker : IMonitoredWorker
    {
        public WorkerState? Current { get; } = new()
        {
            Id = new WorkerId("w"),
            Spec = new WorkerSpec { Url = new Uri("http://w:30000"), Role = WorkerRole.Decode },
            Slot = 0,
            Stage = WorkerPhase.Ready,
        };

        public WorkerPhase Phase => WorkerPhase.Ready;

        public void Apply(WorkerInput input)
        {
        }

        public void Loaded(EngineLoad load)
        {
        }

        public ValueTask<ReadinessCheck?> BeginReadinessCheckAsync(CancellationToken cancellationToken) =>
            new((ReadinessCheck?)null);

        public ValueTask EndReadinessCheckAsync(ReadinessCheck check, bool? good, string? reason) => default;
    }

    /// <summary>Good answers to all but the query of the load.</summary>
    private sealed class FailingProbe : IEngineProbe
    {
        public Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            Task.FromResult(EngineReading.Of(WorkerFacts.Unknown));

        public Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            Task.FromResult(ProbeAnswer.Good);

        public Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            Task.FromResult(ProbeAnswer.Good);

        public Task<ProbeAnswer> GenerateAsync(ReadinessCheck check, CancellationToken cancellationToken) =>
            Task.FromResult(ProbeAnswer.Good);

        public Task<EngineLoad> LoadAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("a bug in a loop");
    }
}
