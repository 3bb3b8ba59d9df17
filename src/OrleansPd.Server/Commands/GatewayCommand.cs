using System.CommandLine;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Server.CommandLine;
using OrleansPd.Server.Settings;
using OrleansPd.Standalone;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd gateway</c>: the gateway alone, in front of engines that run elsewhere.</summary>
internal static class GatewayCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = new GatewayFlagSet();
        var command = new DocumentedCommand("gateway",
            "Run the gateway in front of SGLang engines. Flags are those of the SGLang router, and some of ours, marked [ours]. "
            + "Each can also be set by a file (--config) and by the environment (ORLEANSPD_GATEWAY__PORT=8000). A flag beats the "
            + "environment, which beats the file.")
        {
            Examples =
            [
                "orleanspd gateway --prefill http://10.0.0.1:30000 8998 --decode http://10.0.0.2:30000",
                "orleanspd gateway --config gateway.json --port 8000 --policy round_robin",
            ],
        };
        flags.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, flags, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, GatewayFlagSet flags, CommandContext context, CancellationToken cancellationToken)
    {
        var settings = GatewaySettings.Load(parsed, flags, context.Environment);
        foreach (var warning in settings.Warnings) context.Warn(warning);
        InlineSockets.TurnOn();
        using var traces = TraceExport.Start(settings.Options);
        await using var gateway = await StartAsync(settings, context, cancellationToken);
        await context.Out.WriteLineAsync(
            $"orleanspd gateway on {gateway.Url} serves {Describe(settings.Options.ControlPlane.Workers)}");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        if (await Task.WhenAny(gateway.Completion, stop.Task) == gateway.Completion) throw Ended(gateway.Failure);
        await gateway.StopAsync(CancellationToken.None);
        return ExitCode.Success;
    }

    /// <summary>The gateway is gone and nobody asked for it.</summary>
    internal static CommandFailedException Ended(Exception? failure) => new(failure is null
        ? "the gateway stopped by itself; its log says why."
        : $"the gateway stopped by itself: {failure.GetType().Name}: {failure.Message}");

    private static async Task<GatewayServer> StartAsync(
        GatewaySettings settings, CommandContext context, CancellationToken cancellationToken)
    {
        var options = settings.Options;
        try
        {
            return await StandaloneGateway.StartAsync(
                options, logging => LineLog.Configure(logging, settings.Logging, context.Error, context.Time), cancellationToken);
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

    private static string Describe(IReadOnlyCollection<Core.Workers.WorkerSpec> workers)
    {
        if (workers.Count == 0) return "no engines: name some with --prefill and --decode, or --worker";
        var counts = Enum.GetValues<WorkerRole>()
            .Select(role => (Role: role, Count: workers.Count(worker => worker.Role == role)))
            .Where(pair => pair.Count > 0)
            .Select(pair => $"{pair.Count} {pair.Role.ToString().ToLowerInvariant()}");
        var addresses = workers.Select(worker => worker.Url.GetLeftPart(UriPartial.Authority));
        return $"{string.Join(", ", counts)}: {string.Join(' ', addresses)}";
    }
}
