using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Support;

/// <summary>Engines and a gateway with its own control plane in front of them: what an operator would run.</summary>
internal sealed class LiveStage : IAsyncDisposable
{
    private readonly List<SimulatedEngine> _engines;

    private LiveStage(List<SimulatedEngine> engines, GatewayServer gateway)
    {
        _engines = engines;
        Gateway = gateway;
        // A client that hangs up does not first read on for a while.
        Client = new HttpClient(new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero })
        {
            BaseAddress = gateway.Url,
            Timeout = TimeSpan.FromSeconds(60)
        };
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public GatewayServer Gateway { get; }

    public HttpClient Client { get; }

    public SimulatedEngine[] Prefill => [.. _engines.Where(e => e.Options.Role == EngineRole.Prefill)];

    public SimulatedEngine[] Decode => [.. _engines.Where(e => e.Options.Role == EngineRole.Decode)];

    /// <summary>Comes back when all workers are ready.</summary>
    /// <param name="priority">The first worker of each role is the one that is chosen where a policy leaves a choice.</param>
    public static async Task<LiveStage> StartAsync(
        int prefill, int decode, GatewayOptions options, Func<SimulatedEngineOptions, SimulatedEngineOptions> engine,
        bool priority = false)
    {
        var engines = new List<SimulatedEngine>();
        for (var i = 0; i < prefill + decode; i++)
        {
            var role = i < prefill ? EngineRole.Prefill : EngineRole.Decode;
            var started = await SimulatedEngine.StartAsync(engine(new SimulatedEngineOptions { Role = role }), ct: Token);
            engines.Add(started);
            options.ControlPlane.Workers.Add(new WorkerSpec
            {
                Url = started.Url,
                Role = role == EngineRole.Prefill ? WorkerRole.Prefill : WorkerRole.Decode,
                Priority = priority ? 100 - i : 50,
            });
        }
        options.Host = "127.0.0.1";
        options.Port = 0;
        var stage = new LiveStage(engines, await StandaloneGateway.StartAsync(options, cancellationToken: Token));
        await UntilAsync(() =>
            stage.Gateway.ControlPlane.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready), TimeSpan.FromSeconds(20));
        return stage;
    }

    public WorkerSnapshot SnapshotOf(SimulatedEngine engine) =>
        Gateway.ControlPlane.Fleet.Workers.Single(w => w.Url.Port == engine.Port);

    /// <summary>Looks again and again, and lets others run in between.</summary>
    public static async Task UntilAsync(Func<bool> condition, TimeSpan atMost)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(atMost);
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, $"not within {atMost}");
            await Task.Delay(5, Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Gateway.DisposeAsync();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }
}
