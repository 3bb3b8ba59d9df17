using OrleansPd.Tools.Replay;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd replay</c>: load from a trace against any endpoint.</summary>
internal static class ReplayCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = new ReplayFlags();
        var command = new DocumentedCommand("replay",
            "Replay a trace of requests against a gateway or engine and measure the answers. Prompts are synthetic; requests "
            + "with the same leading block ids share a prefix. Without TRACE, a synthetic trace is used.")
        {
            Examples =
            [
                "orleanspd replay --url http://localhost:30000 --rate 20 --limit 500",
                "orleanspd replay mooncake_conversation.jsonl --url http://localhost:30000 --speed 10 --scale 0.1",
                "orleanspd replay azure_conv_2023.csv --url http://localhost:30000 --endpoint chat --model qwen --speed 0",
            ],
        };
        flags.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, flags, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, ReplayFlags flags, CommandContext context, CancellationToken cancellationToken)
    {
        var options = flags.Options(parsed);
        var trace = flags.Trace(parsed);
        using var replayer = new TraceReplayer(options, context.Time);
        if (await replayer.ProbeAsync(cancellationToken) is { } problem)
            throw new CommandFailedException($"nothing answers at {options.Url}: {problem}");
        var report = await ReplayDisplay.RunAsync(replayer, trace, context, cancellationToken);
        ReplayDisplay.Write(report, context);
        if (parsed.GetValue(flags.Json) is { } file)
            await ReplayJson.WriteAsync(report, file, CancellationToken.None);
        return report.Failed > 0 ? ExitCode.Failure : ExitCode.Success;
    }
}
