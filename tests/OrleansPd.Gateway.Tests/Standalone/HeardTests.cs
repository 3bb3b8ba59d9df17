using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Core.Options;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Standalone;
using OrleansPd.Testing;

namespace OrleansPd.Gateway.Tests.Standalone;

/// <summary>An engine that tells its load is there: it is asked for that only when it tells nothing.</summary>
public sealed class HeardTests
{
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_worker_that_tells_its_load_is_not_asked_whether_it_is_there_and_is_at_once_when_it_does_not()
    {
        var clock = new FakeTimeProvider();
        var probe = new Talkative();
        var options = new ControlPlaneOptions
        {
            LoadIntervalSecs = 1,
            LivenessIntervalSecs = 60,
            DescribeIntervalSecs = 3600,
            HealthIntervalSecs = 0
        };
        options.Workers.Add(new WorkerSpec { Url = new("http://p:1"), Role = WorkerRole.Prefill });
        options.Workers.Add(new WorkerSpec { Url = new("http://d:1"), Role = WorkerRole.Decode });
        await using var plane = EmbeddedControlPlane.Create(options, probe, clock, seed: 1, NullLogger.Instance);
        await plane.StartAsync(TestContext.Current.CancellationToken);
        await LiveStage.UntilAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromMilliseconds(1));
                return plane.Fleet.Workers is { Length: 2 } all && all.All(w => w.Phase == WorkerPhase.Ready);
            },
            Wait);

        // Time goes on as they tell their load: more than twice as long as one that tells nothing goes unasked.
        for (var round = 0; round < 150; round++)
        {
            var (p, d) = (probe.Told("p"), probe.Told("d"));
            await LiveStage.UntilAsync(() => Later(() => probe.Told("p") > p && probe.Told("d") > d), Wait);
            if (round == 0)
            {
                probe.Asked = 0; // what was asked before the first reading
            }
        }
        Assert.Equal(0, probe.Asked);

        probe.IsSilent = true;
        var silent = clock.GetUtcNow();
        await LiveStage.UntilAsync(() => Later(() => probe.Asked >= 2), Wait);
        Assert.InRange(clock.GetUtcNow() - silent, TimeSpan.Zero, TimeSpan.FromSeconds(30));

        bool Later(Func<bool> condition)
        {
            clock.Advance(TimeSpan.FromSeconds(0.3));
            return condition();
        }
    }

    private sealed class Talkative : IEngineProbe
    {
        private readonly FakeProbe _engines = new();
        private int _prefillTold;
        private int _decodeTold;
        private int _asked;

        public Talkative()
        {
            _engines.Up("p");
            _engines.Up("d");
        }

        public bool IsSilent { get; set; }

        public int Asked
        {
            get => Volatile.Read(ref _asked);
            set => Volatile.Write(ref _asked, value);
        }

        public int Told(string host) => Volatile.Read(ref host == "p" ? ref _prefillTold : ref _decodeTold);

        public Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            _engines.DescribeAsync(worker, cancellationToken);

        public Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            return _engines.LivenessAsync(worker, cancellationToken);
        }

        public Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
            _engines.HealthAsync(worker, cancellationToken);

        public Task<ProbeAnswer> GenerateAsync(ReadinessCheck trial, CancellationToken cancellationToken) =>
            _engines.GenerateAsync(trial, cancellationToken);

        public Task<EngineLoad> LoadAsync(WorkerSpec worker, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref worker.Role == WorkerRole.Prefill ? ref _prefillTold : ref _decodeTold);
            return Task.FromResult(IsSilent ? EngineLoad.Failed("no answer") : new EngineLoad());
        }
    }
}
