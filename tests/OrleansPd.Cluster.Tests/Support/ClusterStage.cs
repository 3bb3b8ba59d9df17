using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.TestingHost;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;

namespace OrleansPd.Cluster.Tests.Support;

/// <summary>
/// Silos in this process, a gateway with real sockets on each, and simulated engines. Engines are named on the first silo.
/// </summary>
internal sealed class ClusterStage : IAsyncDisposable
{
    private readonly List<SimulatedEngine> _engines = [];
    private readonly Dictionary<InProcessSiloHandle, Node> _nodes = [];
    private readonly List<HttpClient> _clients = [];

    private ClusterStage(InProcessTestCluster cluster)
    {
        Cluster = cluster;
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public InProcessTestCluster Cluster { get; }

    public IReadOnlyList<Node> Nodes => [.. _nodes.Values];

    public SimulatedEngine[] Prefill => [.. _engines.Where(e => e.Options.Role == EngineRole.Prefill)];

    public SimulatedEngine[] Decode => [.. _engines.Where(e => e.Options.Role == EngineRole.Decode)];

    public static async Task<ClusterStage> StartAsync(
        int silos, int prefill, int decode, Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine = null,
        Action<ControlPlaneOptions>? options = null, PdClusterOptions? cluster = null, Action<ISiloBuilder>? silo = null,
        Func<WorkerSpec, WorkerSpec>? worker = null)
    {
        var engines = new List<SimulatedEngine>();
        var named = new List<WorkerSpec>();
        for (var i = 0; i < prefill + decode; i++)
        {
            var role = i < prefill ? EngineRole.Prefill : EngineRole.Decode;
            var wanted = new SimulatedEngineOptions
            {
                Role = role,
                Speed = 0,
                DisconnectPoll = TimeSpan.FromMilliseconds(50),
                HeartbeatInterval = TimeSpan.FromSeconds(2),
            };
            var started = await SimulatedEngine.StartAsync(engine?.Invoke(wanted) ?? wanted, ct: Token);
            engines.Add(started);
            var spec = new WorkerSpec
            {
                Url = started.Url,
                Role = role == EngineRole.Prefill ? WorkerRole.Prefill
                : WorkerRole.Decode
            };
            named.Add(worker?.Invoke(spec) ?? spec);
        }
        var rooms = new MemoryRoomLog();
        var first = 0;
        var builder = new InProcessTestClusterBuilder((short)silos);
        builder.ConfigureSilo((_, siloBuilder) =>
        {
            var controlPlane = new ControlPlaneOptions { Policy = "least_load" };
            options?.Invoke(controlPlane);
            if (Interlocked.Exchange(ref first, 1) == 0)
                controlPlane.Workers.AddRange(named);
            siloBuilder.AddOrleansPd(controlPlane, cluster);
            siloBuilder.AddOrleansPdMemoryStorage();
            siloBuilder.UseInMemoryReminderService();
            siloBuilder.Services.AddSingleton<IRoomLog>(rooms);
            silo?.Invoke(siloBuilder);
        });
        var stage = new ClusterStage(await builder.BuildAsync());
        stage._engines.AddRange(engines);
        await stage.Cluster.DeployAsync();
        foreach (var handle in stage.Cluster.Silos)
            await stage.AddGatewayAsync(handle);
        return stage;
    }

    /// <summary>Starts one more silo with a gateway.</summary>
    public async Task<Node> AddSiloAsync() => await AddGatewayAsync(await Cluster.StartAdditionalSiloAsync());

    /// <summary>Ends a silo without a word to anybody, with the gateway in it.</summary>
    public async Task KillAsync(Node node)
    {
        _nodes.Remove(node.Handle);
        // The silo first: a gateway that ends its requests in order would still return its credits.
        await Cluster.KillSiloAsync(node.Handle);
        await node.Gateway.DisposeAsync();
    }

    /// <summary>Waits until each gateway serves all workers.</summary>
    public Task ReadyAsync() => UntilAsync(
        () => Nodes.All(n =>
            n.Plane.Fleet.Workers.Length == _engines.Count && n.Plane.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready)),
        () => string.Join("; ", Nodes.Select(n => $"{n.Plane.Fleet.WhyNotReady}: {string.Join(", ", n.Plane.Fleet.Workers)}")));

    public static async Task UntilAsync(Func<bool> condition, Func<string>? state = null, int atMostSecs = 30)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(atMostSecs));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, $"not within {atMostSecs} s: {state?.Invoke()}");
            await Task.Delay(5, CancellationToken.None);
        }
    }

    public async Task<(HttpStatusCode Status, string Body)> PostAsync(Node node, string body, string path = "/generate")
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, path)
        { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using var response = await node.Client.SendAsync(request, Token);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Token));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
            await node.Gateway.DisposeAsync();
        await Cluster.StopAllSilosAsync();
        await Cluster.DisposeAsync();
        _clients.ForEach(c => c.Dispose());
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }

    private async Task<Node> AddGatewayAsync(InProcessSiloHandle handle)
    {
        var services = handle.ServiceProvider;
        var plane = services.GetRequiredService<ClusterControlPlane>();
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0 };
        var gateway = await GatewayServer.StartAsync(
            options, plane, logging => logging.SetMinimumLevel(LogLevel.Warning), cancellationToken: Token);
        var client = new HttpClient { BaseAddress = gateway.Url, Timeout = TimeSpan.FromSeconds(60) };
        _clients.Add(client);
        return _nodes[handle] = new Node(handle, plane, gateway, client);
    }

    internal sealed record Node(InProcessSiloHandle Handle, ClusterControlPlane Plane, GatewayServer Gateway, HttpClient Client);
}
