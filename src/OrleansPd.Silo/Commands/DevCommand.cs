using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Configuration;
using OrleansPd.Cluster;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Gateway;
using OrleansPd.Server.Commands;
using OrleansPd.Server.Settings;
using OrleansPd.Silo.Hosting;
using OrleansPd.Silo.Redis;
using OrleansPd.Simulator;
using StackExchange.Redis;

namespace OrleansPd.Silo.Commands;

/// <summary><c>orleanspd-silo dev</c>: silos and simulated engines in this process.</summary>
internal static class DevCommand
{
    private const string LocalRedis = "127.0.0.1:6379";

    public static Command Create(CommandContext context)
    {
        var silos = Numbers.Whole("--silos", "COUNT", "Silos, each with a gateway. Default 2.", 2, 1, 9);
        var prefill = Numbers.Whole("--prefills", "COUNT", "Simulated prefill engines. Default 2.", 2, 1, 64);
        var decode = Numbers.Whole("--decodes", "COUNT", "Simulated decode engines. Default 2.", 2, 1, 64);
        var speed = Numbers.Real("--speed", "FACTOR", "How many times as fast as the GPUs they stand for; 0 = as fast as they can. Default 1.", 1, 0, 1e6);
        var port = Numbers.Whole("--port", "PORT", "Port of the first gateway, the others count on; 0 = any free ones. Default 30000.", 30000, 0, 65000);
        var redis = new Option<string?>("--redis")
        {
            Description = $"Redis to keep the cluster in; 'none' = in memory. Default {LocalRedis} where one answers, else in memory.",
            HelpName = "HOST:PORT",
        };
        var command = new DocumentedCommand("dev", "Start silos with gateways and simulated engines in this process, and serve until stopped.")
        {
            Examples = ["orleanspd-silo dev", "orleanspd-silo dev --silos 3 --redis none --speed 0"],
        };
        command.Add("What to start", silos, prefill, decode, speed, port, redis);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var stage = new Stage(context);
            await stage.StartAsync(
                parsed.GetValue(silos), parsed.GetValue(prefill), parsed.GetValue(decode), parsed.GetValue(speed), parsed.GetValue(port),
                parsed.GetValue(redis), cancellationToken);
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return ExitCode.Success;
        });
        return command;
    }

    private sealed class Stage(CommandContext context) : IAsyncDisposable
    {
        private readonly List<SimulatedEngine> _engines = [];
        private readonly List<SiloNode> _nodes = [];
        private ConnectionMultiplexer? _redis;

        public async Task StartAsync(
            int silos, int prefills, int decodes, double speed, int port, string? redis, CancellationToken cancellationToken)
        {
            for (var i = 0; i < prefills + decodes; i++)
            {
                var options = new SimulatedEngineOptions { Role = i < prefills ? EngineRole.Prefill : EngineRole.Decode, Speed = speed };
                _engines.Add(await SimulatedEngine.StartAsync(options, context.Time, cancellationToken));
            }
            // A name of its own: what another run left in Redis is not this one's.
            var id = $"dev-{Environment.ProcessId}";
            var address = await FindRedisAsync(redis, id, cancellationToken);
            var rooms = new MemoryRoomLog();
            var primary = 0;
            for (var i = 0; i < silos; i++)
            {
                var options = new SiloOptions
                {
                    Advertise = "127.0.0.1",
                    ClusterId = id,
                    ServiceId = id,
                    SiloPort = FreePort(),
                    GatewayPort = FreePort(),
                    Node = $"node-{i + 1}",
                };
                primary = primary == 0 ? options.SiloPort : primary;
                var gateway = new GatewayOptions { Host = "127.0.0.1", Port = port == 0 ? 0 : port + i };
                if (i == 0)
                {
                    gateway.ControlPlane.Workers.AddRange(_engines.Select(Spec));
                }
                var warnings = new ConfigurationBuilder().AddInMemoryCollection([new("LogLevel:Default", "Warning")]).Build();
                var node = await RunCommand.StartAsync(
                    new GatewaySettings(gateway, warnings, []),
                    new SiloSettings(options, new ClusterOptions()),
                    _redis is null ? SiloNode.InMemory(primary, rooms) : SiloNode.InRedis(_redis, address!, options),
                    context, cancellationToken);
                _nodes.Add(node);
                await context.Out.WriteLineAsync($"silo {i + 1} of {silos}: gateway on {node.Url}");
            }
            await context.Out.WriteLineAsync(
                $"{prefills} prefill and {decodes} decode engines; the cluster is kept {(_redis is null ? "in memory" : "in Redis at " + address)}. Ctrl-C ends it.");
        }

        public async ValueTask DisposeAsync()
        {
            for (var i = _nodes.Count - 1; i >= 0; i--)
            {
                await _nodes[i].DisposeAsync(); // the first one last: in memory it keeps the membership
            }
            if (_redis is not null)
            {
                await _redis.DisposeAsync();
            }
            foreach (var engine in _engines)
            {
                await engine.DisposeAsync();
            }
        }

        private static WorkerSpec Spec(SimulatedEngine engine) => new()
        {
            Url = engine.Url,
            Role = engine.Options.Role == EngineRole.Prefill ? WorkerRole.Prefill : WorkerRole.Decode,
        };

        private static int FreePort()
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }

        private async Task<string?> FindRedisAsync(string? wanted, string serviceId, CancellationToken cancellationToken)
        {
            if (wanted == "none")
            {
                return null;
            }
            try
            {
                _redis = await RedisConnection.OpenAsync(wanted ?? LocalRedis, serviceId, cancellationToken);
                return wanted ?? LocalRedis;
            }
            catch (CommandFailedException) when (wanted is null)
            {
                return null;
            }
        }
    }
}
