using System.CommandLine;
using Microsoft.Extensions.Logging;
using OrleansPd.Server.Commands;
using OrleansPd.Server.Settings;
using OrleansPd.Silo.Hosting;
using OrleansPd.Silo.Redis;

namespace OrleansPd.Silo.Commands;

/// <summary><c>orleanspd-silo run</c>: one node of a cluster.</summary>
internal static class RunCommand
{
    public static Command Create(CommandContext context)
    {
        var gateway = new GatewayFlagSet();
        var silo = new SiloFlags();
        var command = new DocumentedCommand("run",
            "Run one silo of a cluster with a gateway in it. It takes every flag of 'orleanspd gateway'; engines that are named on one "
            + "silo serve the whole cluster. Each flag can also be set by a file (--config) and by the environment "
            + "(ORLEANSPD_SILO__REDIS=10.0.0.9:6379).")
        {
            Examples =
            [
                "orleanspd-silo run --redis 10.0.0.9:6379 --prefill http://10.0.0.1:30000 8998 --decode http://10.0.0.2:30000",
                "orleanspd-silo run --redis 10.0.0.9:6379 --node gpu-7 --zone a --port 8000",
            ],
        };
        silo.AddTo(command);
        gateway.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, gateway, silo, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, GatewayFlagSet gatewayFlags, SiloFlags siloFlags, CommandContext context, CancellationToken cancellationToken)
    {
        var gateway = GatewaySettings.Load(parsed, gatewayFlags, context.Environment);
        var settings = SiloSettings.Load(parsed.GetValue(gatewayFlags.Config), context.Environment, siloFlags.Read(parsed));
        foreach (var warning in gateway.Warnings)
        {
            context.Warn(warning);
        }
        var silo = settings.Silo;
        if (silo.Redis is not { Length: > 0 } address)
        {
            throw new BadInputException("--redis is needed: silos find each other there. 'orleanspd-silo dev' needs none.");
        }
        await using var redis = await RedisConnection.OpenAsync(address, silo.ServiceId, cancellationToken);
        await using var node = await StartAsync(
            gateway, settings, SiloNode.InRedis(redis, address, silo), context, cancellationToken);
        await context.Out.WriteLineAsync(
            $"orleanspd-silo on {node.Url} is silo {node.Address.Endpoint} of cluster '{silo.ClusterId}' on node {silo.Node}, zone {silo.Zone}");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        using var watching = new CancellationTokenSource();
        var keeper = new MembershipKeeper(redis, silo.ServiceId, silo.ClusterId, node.MemberName, node.Log).RunAsync(context.Time, watching.Token);
        var ended = node.EndedAsync();
        var first = await Task.WhenAny(ended, keeper, stop.Task);
        if (first != stop.Task)
        {
            throw new CommandFailedException(await (Task<string>)first);
        }
        await watching.CancelAsync();
        await node.StopAsync(CancellationToken.None);
        return ExitCode.Success;
    }

    internal static async Task<SiloNode> StartAsync(
        GatewaySettings gateway, SiloSettings settings, Action<Orleans.Hosting.ISiloBuilder> store, CommandContext context,
        CancellationToken cancellationToken)
    {
        try
        {
            return await SiloNode.StartAsync(
                gateway.Options, settings, store, logging =>
                {
                    LineLog.Configure(logging, gateway.Logging, context.Error, context.Time);
                    // The silo's own lines are of use where the cluster is not well; --log-level debug shows all of them.
                    if (gateway.Logging["LogLevel:Default"] is not ("Trace" or "Debug"))
                    {
                        logging.AddFilter("Orleans", LogLevel.Error);
                    }
                }, cancellationToken);
        }
        catch (Exception error) when (Explain(error, gateway, settings.Silo) is { } explained)
        {
            throw explained;
        }
    }

    private static CommandFailedException? Explain(Exception error, GatewaySettings gateway, SiloOptions silo) =>
        error is IOException
            ? ListenFailure.Explain(error, gateway.Options.Host, (gateway.Options.Port, "--port"))
            : ListenFailure.Explain(
                error, silo.Advertise ?? "this machine", (silo.SiloPort, "--silo-port"), (silo.GatewayPort, "--gateway-port"));
}
