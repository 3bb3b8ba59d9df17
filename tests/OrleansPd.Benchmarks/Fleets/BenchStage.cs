using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Standalone;

namespace OrleansPd.Benchmarks.Fleets;

/// <summary>
/// Simulated engines and a gateway with its own control plane in front of them, in this process, over real HTTP.
/// </summary>
internal sealed class BenchStage : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private readonly List<SimulatedEngine> _engines = [];

    private BenchStage()
    {
    }

    public GatewayServer Gateway { get; private set; } = null!;

    public IEnumerable<SimulatedEngine> Prefill => _engines.Where(e => e.Options.Role == EngineRole.Prefill);

    public IEnumerable<SimulatedEngine> Decode => _engines.Where(e => e.Options.Role == EngineRole.Decode);

    /// <summary>Comes back when all workers are ready.</summary>
    public static async Task<BenchStage> StartAsync(
        IEnumerable<SimulatedEngineOptions> engines, GatewayOptions options, CancellationToken cancellationToken)
    {
        var stage = new BenchStage();
        try
        {
            foreach (var engine in engines)
            {
                var started = await SimulatedEngine.StartAsync(engine, ct: cancellationToken);
                stage._engines.Add(started);
                options.ControlPlane.Workers.Add(new WorkerSpec
                {
                    Url = started.Url,
                    Role = engine.Role switch
                    {
                        EngineRole.Prefill => WorkerRole.Prefill,
                        EngineRole.Decode => WorkerRole.Decode,
                        _ => WorkerRole.Regular,
                    },
                });
            }
            options.Host = "127.0.0.1";
            options.Port = 0;
            stage.Gateway = await StandaloneGateway.StartAsync(options, cancellationToken: cancellationToken);
            await stage.UntilAsync(fleet => fleet.Workers.All(w => w.Phase == WorkerPhase.Ready), StartLimit, cancellationToken);
            return stage;
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }
    }

    public WorkerSnapshot SnapshotOf(SimulatedEngine engine) =>
        Gateway.ControlPlane.Fleet.Workers.Single(w => w.Url.Port == engine.Port);

    /// <exception cref="TimeoutException">It never came.</exception>
    public async Task UntilAsync(Func<FleetSnapshot, bool> condition, TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(atMost);
        while (!condition(Gateway.ControlPlane.Fleet))
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"not within {atMost}: {string.Join(", ", Gateway.ControlPlane.Fleet.Workers)}");
            await Task.Delay(5, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Gateway is not null)
            await Gateway.DisposeAsync();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }
}
