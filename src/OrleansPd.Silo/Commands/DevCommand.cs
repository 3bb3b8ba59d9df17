using System.Collections.Immutable;
using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using OrleansPd.Cluster;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Placement;
using OrleansPd.Gateway;
using OrleansPd.Server.Commands;
using OrleansPd.Server.Settings;
using OrleansPd.Silo.Hosting;
using OrleansPd.Silo.Redis;
using OrleansPd.Silo.Settings;
using OrleansPd.Simulator;

namespace OrleansPd.Silo.Commands;

/// <summary><c>orleanspd-silo dev</c>: a whole cluster in one process, with simulated engines.</summary>
internal static class DevCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = new DevFlags();
        var command = new DocumentedCommand("dev",
            "Run a whole cluster in this process: silos with a gateway each, and simulated engines. Uses Redis if one answers, and does "
            + "without where none does; then what the cluster knows ends with the process.")
        {
            Examples = ["orleanspd-silo dev", "orleanspd-silo dev --silos 5 --prefills 4 --decodes 8 --speed 10"],
        };
        flags.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(flags.Options(parsed), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(DevOptions options, CommandContext context, CancellationToken cancellationToken)
    {
        var level = LogLevels.Parse(options.LogLevel)
            ?? throw new BadInputException($"--log-level: '{options.LogLevel}' is not debug, info, warn or error.");
        var logging = new ConfigurationBuilder().AddInMemoryCollection([new("LogLevel:Default", level)]).Build();
        var log = SiloCommands.Log(logging, context);
        var engines = new List<SimulatedEngine>();
        var backends = new List<RedisBackend>();
        var nodes = new List<SiloNode>();
        try
        {
            await StartEnginesAsync(options, engines, context, cancellationToken);
            await StartSilosAsync(options, engines, backends, nodes, logging, log, context, cancellationToken);
            await TellAsync(options, engines, nodes, backends.Count > 0, context);
            var stop = new TaskCompletionSource();
            await using var registration = cancellationToken.Register(stop.SetResult);
            var ended = Task.WhenAny(nodes.Select(node => node.EndedAsync())).Unwrap();
            if (await Task.WhenAny(ended, stop.Task) == ended) throw new CommandFailedException(await ended + ".");
            return ExitCode.Success;
        }
        finally
        {
            // The last that came goes first: the first holds the cluster together where there is no Redis.
            foreach (var node in nodes.AsEnumerable().Reverse())
            {
                await node.StopAsync();
                await node.DisposeAsync();
            }
            foreach (var backend in backends) await backend.DisposeAsync();
            foreach (var engine in engines) await engine.DisposeAsync();
        }
    }

    private static async Task StartEnginesAsync(
        DevOptions options, List<SimulatedEngine> engines, CommandContext context, CancellationToken cancellationToken)
    {
        for (var i = 0; i < options.Prefills + options.Decodes; i++)
        {
            var role = i < options.Prefills ? EngineRole.Prefill : EngineRole.Decode;
            var engine = new SimulatedEngineOptions { BootstrapPort = 0, Port = 0, Role = role, Speed = options.Speed };
            engines.Add(await SimulatedEngine.StartAsync(engine, context.Time, cancellationToken));
        }
    }

    private static async Task StartSilosAsync(
        DevOptions options, List<SimulatedEngine> engines, List<RedisBackend> backends, List<SiloNode> nodes, IConfiguration logging,
        Action<ILoggingBuilder> log, CommandContext context, CancellationToken cancellationToken)
    {
        // A cluster of its own each time: another that runs here is none of its business.
        var id = $"dev-{Environment.ProcessId}-{context.Time.GetUtcNow().ToUnixTimeSeconds()}";
        var local = new LocalBackend();
        for (var i = 0; i < options.Silos; i++)
        {
            var port = options.Port == 0 ? 0 : options.Port + i;
            var gateway = new GatewayOptions { Host = "127.0.0.1", Port = port, ShutdownGracePeriodSecs = 5 };
            if (i == 0)
            {
                gateway.ControlPlane.Workers.AddRange(engines.Select((engine, n) => Spec(engine, NodeName(n % options.Silos))));
            }
            var node = new NodeOptions
            {
                ClusterId = id,
                ServiceId = id,
                SiloPort = 0,
                GatewayPort = 0,
                Redis = options.Redis,
                Node = NodeName(i),
            };
            var settings = new SiloSettings(node, new ClusterOptions(), gateway, logging, []);
            IBackend backend = local;
            if ((i == 0 || backends.Count > 0) && await TryRedisAsync(settings, log, cancellationToken) is { } redis)
            {
                backends.Add(redis);
                backend = redis;
            }
            nodes.Add(await SiloNode.StartAsync(settings, backend, log, context.Error, cancellationToken));
        }
    }

    private static async Task<RedisBackend?> TryRedisAsync(
        SiloSettings settings, Action<ILoggingBuilder> log, CancellationToken cancellationToken)
    {
        try
        {
            return await RedisBackend.ConnectAsync(settings, log, cancellationToken);
        }
        catch (CommandFailedException)
        {
            return null; // said below: there is none
        }
    }

    private static async Task TellAsync(
        DevOptions options, List<SimulatedEngine> engines, List<SiloNode> nodes, bool redis, CommandContext context)
    {
        foreach (var engine in engines)
        {
            await context.Out.WriteLineAsync($"{engine.Options.Role.ToString().ToLowerInvariant()} engine on {engine.Url}");
        }
        foreach (var node in nodes) await context.Out.WriteLineAsync($"gateway on {node.Url} in silo {node.Silo}");
        await context.Out.WriteLineAsync(redis
            ? $"orleanspd-silo dev: {nodes.Count} silos on Redis at {options.Redis}. Ctrl-C ends it."
            : $"orleanspd-silo dev: {nodes.Count} silos without Redis (none answers at {options.Redis}). Ctrl-C ends it.");
        await context.Out.WriteLineAsync(
            $"Try: curl {nodes[^1].Url}generate -H 'content-type: application/json' "
            + "-d '{\"text\":\"hello\",\"sampling_params\":{\"max_new_tokens\":8}}'");
    }

    private static string NodeName(int number) => $"node-{number + 1}";

    private static WorkerSpec Spec(SimulatedEngine engine, string node) => new()
    {
        Labels = ImmutableDictionary<string, string>.Empty.Add(EngineSide.Node, node),
        Role = engine.Options.Role == EngineRole.Prefill ? WorkerRole.Prefill : WorkerRole.Decode,
        Url = engine.Url,
    };
}
