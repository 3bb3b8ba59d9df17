using OrleansPd.Simulator;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd engine</c>: one simulated engine.</summary>
internal static class EngineCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = new EngineFlags();
        var command = new DocumentedCommand("engine",
            "Run one simulated SGLang engine: real HTTP and a real KV hand-off, without a GPU. The flags are those of "
            + "SGLang's server.")
        {
            Examples =
            [
                "orleanspd engine --role prefill --port 30001 --bootstrap-port 8998",
                "orleanspd engine --role decode --port 30002 --dp-size 2 --speed 10",
            ],
        };
        flags.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(flags.Options(parsed), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        SimulatedEngineOptions options, CommandContext context, CancellationToken cancellationToken)
    {
        await using var engine = await StartAsync(options, context, cancellationToken);
        var bootstrap = options.Role == EngineRole.Prefill ? $", KV bootstrap on port {engine.BootstrapPort}" : "";
        var ranks = options.DpSize > 1 ? $", {options.DpSize} ranks" : "";
        await context.Out.WriteLineAsync(
            $"orleanspd engine on {engine.Url} is a {WireName.Of(options.Role)} of "
            + $"{options.ServedModelName}{ranks}{bootstrap}");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        if (await Task.WhenAny(engine.Exited, stop.Task) == engine.Exited)
            throw new CommandFailedException($"the engine died: {await engine.Exited}");
        return ExitCode.Success;
    }

    private static async Task<SimulatedEngine> StartAsync(
        SimulatedEngineOptions options, CommandContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await SimulatedEngine.StartAsync(options, context.Time, cancellationToken);
        }
        catch (Exception error) when (ListenFailure.Explain(error, options.Host,
            (options.Port, "--port"), (options.BootstrapPort, "--bootstrap-port")) is { } explained)
        {
            throw explained;
        }
    }
}
