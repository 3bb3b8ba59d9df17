using OrleansPd.Simulator.Bootstrap;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd bootstrap</c>: a KV bootstrap server alone.</summary>
internal static class BootstrapCommand
{
    public static Command Create(CommandContext context)
    {
        var host = new Option<string>("--host")
        {
            DefaultValueFactory = _ => "127.0.0.1",
            Description = "Address to listen on. Default 127.0.0.1.",
            HelpName = "ADDRESS",
        };
        var port = Numbers.Whole("--port", "PORT", "Port to listen on; 0 = any free port. Default 8998.", 8998, 0, 65535);
        var command = new DocumentedCommand("bootstrap",
            "Run only a KV bootstrap server, as used by SGLang prefill and decode engines.")
        {
            Examples = ["orleanspd bootstrap --host 0.0.0.0 --port 8998"],
        };
        command.Add("Listening", host, port);
        command.SetAction((parsed, cancellationToken) =>
            RunAsync(parsed.GetValue(host)!, parsed.GetValue(port), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string host, int port, CommandContext context, CancellationToken cancellationToken)
    {
        await using var server = await StartAsync(host, port, context, cancellationToken);
        await context.Out.WriteLineAsync($"orleanspd bootstrap on http://{host}:{server.Port}");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        await stop.Task;
        return ExitCode.Success;
    }

    private static async Task<BootstrapServer> StartAsync(
        string host, int port, CommandContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await BootstrapServer.StartAsync(host, port, clock: context.Time, ct: cancellationToken);
        }
        catch (Exception error) when (ListenFailure.Explain(error, host, (port, "--port")) is { } explained)
        {
            throw explained;
        }
    }
}
