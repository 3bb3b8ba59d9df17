using Microsoft.Extensions.Configuration;
using OrleansPd.Cluster.Options;
using OrleansPd.Core.Placement;
using OrleansPd.Gateway.Options;
using OrleansPd.Server.Hosting;
using OrleansPd.Server.Redis;
using OrleansPd.Simulator;

namespace OrleansPd.Server.Dev;

/// <summary>Silos, gateways and simulated engines in one process. At its end it deletes what it stored.</summary>
internal sealed class DevCluster(DevOptions options, IConfiguration logging, Action<ILoggingBuilder> log, CommandContext context)
    : IAsyncDisposable
{
    private const string NoRedis = "none";
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private readonly List<SimulatedEngine> _engines = [];
    private readonly List<RedisBackend> _backends = [];
    private readonly List<SiloNode> _nodes = [];
    private readonly List<SiloSettings> _settings = [];
    private volatile bool _ending;

    public IReadOnlyList<SimulatedEngine> Engines => _engines;
    public IReadOnlyList<Uri> Gateways => [.. _nodes.Select(node => node.Url)];
    public IReadOnlyList<IPEndPoint> Silos => [.. _nodes.Select(node => node.Silo)];

    /// <summary>Why it uses no Redis; null = it uses one.</summary>
    public string? WithoutRedis { get; private set; }

    /// <summary>How .NET services connect.</summary>
    public string ServiceAccess => Redis.ServiceAccess.Describe(
        _settings[0].Node, WithoutRedis is null ? options.Redis : null, _nodes.Select(node => node.Services));

    /// <exception cref="CommandFailedException">A port is taken, or the Redis that was named does not answer.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        for (var i = 0; i < options.Prefills + options.Decodes; i++)
        {
            var role = i < options.Prefills ? EngineRole.Prefill : EngineRole.Decode;
            var engine = new SimulatedEngineOptions { BootstrapPort = 0, Port = 0, Role = role, Speed = options.Speed };
            _engines.Add(await SimulatedEngine.StartAsync(engine, context.Time, cancellationToken));
        }
        // A new cluster each time, apart from any other that runs here.
        var id = $"dev-{Environment.ProcessId}-{context.Time.GetUtcNow().ToUnixTimeSeconds()}";
        var local = new LocalBackend();
        for (var i = 0; i < options.Silos; i++)
        {
            var settings = Settings(id, i);
            _settings.Add(settings);
            var backend = i == 0 ? await FirstAsync(settings, cancellationToken) ?? (IBackend)local
                : WithoutRedis is not null ? local
                : await ConnectAsync(settings, cancellationToken);
            _nodes.Add(await SiloNode.StartAsync(settings, backend, Log, context.Error, cancellationToken));
        }
    }

    /// <summary>Waits until each gateway can serve.</summary>
    /// <exception cref="CommandFailedException">A gateway still cannot.</exception>
    public async Task ReadyAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        var until = context.Time.GetUtcNow() + timeout;
        foreach (var node in _nodes)
        {
            while (node.WhyNotReady is { } why)
            {
                if (context.Time.GetUtcNow() > until)
                    throw new CommandFailedException($"the gateway on {node.Url} is not ready: {why}");
                await Task.Delay(Poll, context.Time, cancellationToken);
            }
        }
    }

    /// <summary>Completes when a silo or gateway ended unexpectedly; the sentence says why.</summary>
    public async Task<string> EndedAsync() => await (await Task.WhenAny(_nodes.Select(node => node.EndedAsync())));

    public async ValueTask DisposeAsync()
    {
        _ending = true;
        await Task.WhenAll(_nodes.Select(node => node.DrainAsync()));
        // In reverse order: without Redis the first silo holds the membership table.
        foreach (var node in _nodes.AsEnumerable().Reverse())
        {
            await node.LeaveAsync();
            await node.DisposeAsync();
        }
        if (_backends is [var any, ..])
            await any.ForgetServiceAsync();
        foreach (var backend in _backends)
            await backend.DisposeAsync();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }

    /// <summary>While all silos end, their reports of each other's end are noise.</summary>
    private void Log(ILoggingBuilder builder)
    {
        log(builder);
        var least = LogLevels.Parse(options.LogLevel) is { } level ? Enum.Parse<LogLevel>(level) : LogLevel.Warning;
        builder.AddFilter(level => level >= (_ending ? LogLevel.Critical : least));
        if (least > LogLevel.Debug)
            builder.AddFilter("Orleans.", level => level >= (_ending ? LogLevel.Critical : LogLevel.Error));
    }

    private async Task<RedisBackend?> FirstAsync(SiloSettings settings, CancellationToken cancellationToken)
    {
        if (options.Redis == NoRedis)
        {
            WithoutRedis = "as requested";
            return null;
        }
        try
        {
            return await ConnectAsync(settings, cancellationToken);
        }
        catch (CommandFailedException) when (!options.MustHaveRedis)
        {
            WithoutRedis = $"none answers at {options.Redis}";
            return null;
        }
    }

    private async Task<RedisBackend> ConnectAsync(SiloSettings settings, CancellationToken cancellationToken)
    {
        var backend = await RedisBackend.ConnectAsync(settings, Log, cancellationToken, isBrandNew: true);
        _backends.Add(backend);
        return backend;
    }

    private SiloSettings Settings(string id, int number)
    {
        var port = options.Port == 0 ? 0 : options.Port + number;
        var gateway = new GatewayOptions { Host = "127.0.0.1", Port = port, ShutdownGracePeriodSecs = 5 };
        if (number == 0)
            gateway.ControlPlane.Workers.AddRange(_engines.Select((engine, n) => Spec(engine, NodeName(n % options.Silos))));
        var node = new NodeOptions
        {
            ClusterId = id,
            ServiceId = id,
            SiloPort = 0,
            GatewayPort = 0,
            Redis = options.Redis,
            Node = NodeName(number),
        };
        return new SiloSettings(node, new PdClusterOptions(), gateway, logging, []);
    }

    private static string NodeName(int number) => $"node-{number + 1}";

    private static WorkerSpec Spec(SimulatedEngine engine, string node) => new()
    {
        Labels = ImmutableDictionary<string, string>.Empty.Add(EngineLocation.Node, node),
        Role = engine.Options.Role == EngineRole.Prefill ? WorkerRole.Prefill : WorkerRole.Decode,
        Url = engine.Url,
    };
}
