using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Cluster.Workers;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;
using OrleansPd.Testing;

namespace OrleansPd.Cluster.Tests.Grains;

/// <summary>The writer of a worker ends when its worker is removed, and is replaced when one of its loops fails.</summary>
public class WriterEndTests
{
    [Fact]
    public async Task A_worker_grain_whose_loop_failed_is_activated_again()
    {
        var engines = new FakeProbe();
        engines.Up("p");
        engines.Up("d");
        var probe = new FailingProbe(engines, failures: 1);
        await using var cluster = await FakeCluster.StartAsync(probe, TimeProvider.System);
        var plane = FakeCluster.PlaneOf(cluster.Silos[0]);
        await plane.Joined;
        _ = await plane.AddAsync(FakeCluster.Worker("p", WorkerRole.Prefill), ClusterStage.Token);
        _ = await plane.AddAsync(FakeCluster.Worker("d", WorkerRole.Decode), ClusterStage.Token);
        await ClusterStage.UntilAsync(
            () => plane.Fleet.Workers.Length == 2 && plane.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready),
            () => string.Join(", ", plane.Fleet.Workers));
        Assert.Equal(0, probe.FailuresLeft);
    }

    [Fact]
    public async Task Writers_of_removed_workers_end()
    {
        var clock = new FakeTimeProvider();
        await using var cluster = await FakeCluster.StartAsync(new FakeProbe(), clock);
        var plane = FakeCluster.PlaneOf(cluster.Silos[0]);
        var registry = cluster.Silos[0].ServiceProvider.GetRequiredService<WorkerRegistry>();
        await MovingAsync(() => plane.Joined.IsCompleted);
        for (var i = 0; i < 50; i++)
            _ = await plane.AddAsync(FakeCluster.Worker($"d{i}", WorkerRole.Decode), ClusterStage.Token);
        await MovingAsync(() => plane.Fleet.Workers.Length == 50 && registry.Here.Count() == 50);
        foreach (var worker in plane.Fleet.Workers)
            _ = await plane.RemoveAsync(worker.Id, force: true, ClusterStage.Token);
        await MovingAsync(() => plane.Fleet.Workers.IsEmpty);
        await MovingAsync(() => !registry.Here.Any());

        Task MovingAsync(Func<bool> condition) => ClusterStage.UntilAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromMilliseconds(200));
                return condition();
            },
            () => $"{plane.Fleet.Workers.Length} workers, {registry.Here.Count()} writers");
    }

    /// <summary>Throws what no probe should throw, as a bug would, in the first readings of decode engines.</summary>
    private sealed class FailingProbe(FakeProbe engines, int failures) : IEngineProbe
    {
        private int _left = failures;

        public int FailuresLeft => Math.Max(0, Volatile.Read(ref _left));

        public Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            worker.Role == WorkerRole.Decode && Interlocked.Decrement(ref _left) >= 0
                ? throw new InvalidOperationException("a bug in the monitor")
                : engines.DescribeAsync(worker, cancellationToken);

        public Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            engines.LivenessAsync(worker, cancellationToken);

        public Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            engines.HealthAsync(worker, cancellationToken);

        public Task<ProbeAnswer> GenerateAsync(ReadinessCheck check, CancellationToken cancellationToken) =>
            engines.GenerateAsync(check, cancellationToken);
    }
}
