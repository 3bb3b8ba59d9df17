using OrleansPd.Client.Tracing;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Server.Hosting;
using OrleansPd.Server.Redis;
using OrleansPd.Standalone;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd gateway</c>: a gateway, alone or as a silo of a cluster, for engines that run elsewhere.</summary>
internal static class GatewayCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = new GatewayFlagSet();
        var command = new DocumentedCommand("gateway",
            "Run the gateway in front of SGLang engines. With --redis it is a silo of a cluster, and every gateway of the "
            + "cluster serves all engines. Flags are those of the SGLang router; additional ones are marked [ours]. Each can "
            + "also be set in a file (--config) or in the environment (ORLEANSPD_GATEWAY__PORT=8000). A flag beats the "
            + "environment, which beats the file.")
        {
            Examples =
            [
                "orleanspd gateway --prefill http://10.0.0.1:30000 8998 --decode http://10.0.0.2:30000",
                "orleanspd gateway --config gateway.json --port 8000 --policy round_robin",
                "orleanspd gateway --redis 10.0.0.9:6379 --node gpu-1 --prefill http://10.0.0.1:30000 8998",
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
        foreach (var warning in settings.Warnings)
            context.Warn(warning);
        InlineSockets.TurnOn();
        return settings.Node.Redis is null
            ? await RunAloneAsync(settings, context, cancellationToken)
            : await RunSiloAsync(settings, context, cancellationToken);
    }

    private static async Task<int> RunSiloAsync(
        SiloSettings settings, CommandContext context, CancellationToken cancellationToken)
    {
        using var traces = TraceExport.Start(settings.Gateway, GrainCallTracing.Name);
        var log = SiloLog.For(settings.Logging);
        await using var backend = await RedisBackend.ConnectAsync(settings, log, cancellationToken);
        await using var node = await SiloNode.StartAsync(settings, backend, log, context.Error, cancellationToken);
        await context.Out.WriteLineAsync(
            $"orleanspd gateway on {node.Url} is silo {node.Silo} of cluster {settings.Node.ClusterId}");
        await context.Out.WriteLineAsync(ServiceAccess.Describe(settings.Node, settings.Node.Redis, [node.Services]));
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        var ended = node.EndedAsync();
        if (await Task.WhenAny(ended, stop.Task) == ended)
            throw new CommandFailedException(await ended + ".");
        await node.StopAsync();
        return ExitCode.Success;
    }

    private static async Task<int> RunAloneAsync(
        SiloSettings settings, CommandContext context, CancellationToken cancellationToken)
    {
        using var traces = TraceExport.Start(settings.Gateway);
        await using var gateway = await StartAsync(settings, context, cancellationToken);
        await context.Out.WriteLineAsync(
            $"orleanspd gateway on {gateway.Url} serves {Describe(settings.Gateway.ControlPlane.Workers)}");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        if (await Task.WhenAny(gateway.Completion, stop.Task) == gateway.Completion)
            throw StoppedGateway.Explain(gateway.Failure);
        await gateway.StopAsync(CancellationToken.None);
        return ExitCode.Success;
    }

    private static async Task<GatewayServer> StartAsync(
        SiloSettings settings, CommandContext context, CancellationToken cancellationToken)
    {
        var options = settings.Gateway;
        try
        {
            return await StandaloneGateway.StartAsync(
                options, logging => ConsoleLog.Configure(logging, settings.Logging), cancellationToken);
        }
        catch (Exception error) when (ListenFailure.Explain(error, options.Host, (options.Port, "--port")) is { } explained)
        {
            throw explained;
        }
        catch (ArgumentException error)
        {
            throw new BadInputException(error.Message);
        }
    }

    private static string Describe(List<WorkerSpec> workers)
    {
        if (workers.Count == 0)
            return "no engines: add some with --prefill and --decode, or --worker";
        var counts = Enum.GetValues<WorkerRole>()
            .Select(role => (Role: role, Count: workers.Count(worker => worker.Role == role)))
            .Where(pair => pair.Count > 0)
            .Select(pair => $"{pair.Count} {WireName.Of(pair.Role)}");
        var addresses = workers.Select(worker => worker.Url.GetLeftPart(UriPartial.Authority));
        return $"{string.Join(", ", counts)}: {string.Join(' ', addresses)}";
    }
}
