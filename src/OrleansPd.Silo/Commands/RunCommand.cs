using System.CommandLine;
using OrleansPd.Client.Tracing;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Server.CommandLine;
using OrleansPd.Server.Settings;
using OrleansPd.Silo.Hosting;
using OrleansPd.Silo.Redis;
using OrleansPd.Silo.Settings;
using OrleansPd.Tools.Output;

namespace OrleansPd.Silo.Commands;

/// <summary><c>orleanspd-silo run</c>: one node of a cluster.</summary>
internal static class RunCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = SiloFlags.Create();
        var command = new DocumentedCommand("run",
            "Run one node of a cluster: a silo, and a gateway with all flags of 'orleanspd gateway'. Engines named on one silo serve the "
            + "whole cluster. Each flag can also be set by a file (--config) and by the environment (ORLEANSPD_SILO__NODE=gpu-1). A flag "
            + "beats the environment, which beats the file.")
        {
            Examples =
            [
                "orleanspd-silo run --redis 10.0.0.9:6379 --node gpu-1 --prefill http://10.0.0.1:30000 8998",
                "orleanspd-silo run --redis 10.0.0.9:6379 --node gpu-2 --zone b --decode http://10.0.0.2:30000",
            ],
        };
        flags.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, flags, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, GatewayFlagSet flags, CommandContext context, CancellationToken cancellationToken)
    {
        var settings = SiloSettings.Load(parsed, flags, context.Environment);
        foreach (var warning in settings.Warnings) context.Warn(warning);
        InlineSockets.TurnOn();
        using var traces = TraceExport.Start(settings.Gateway, GrainCallTracing.Name);
        var log = SiloCommands.Log(settings.Logging, context);
        await using var backend = await RedisBackend.ConnectAsync(settings, log, cancellationToken);
        await using var node = await SiloNode.StartAsync(settings, backend, log, context.Error, cancellationToken);
        await context.Out.WriteLineAsync(
            $"orleanspd-silo on {node.Url} is silo {node.Silo} of cluster {settings.Node.ClusterId}");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        var ended = node.EndedAsync();
        if (await Task.WhenAny(ended, stop.Task) == ended) throw new CommandFailedException(await ended + ".");
        await node.StopAsync();
        return ExitCode.Success;
    }
}
