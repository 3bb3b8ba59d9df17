using OrleansPd.Server.Demo;
using OrleansPd.Tools.Demo;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd demo</c>: simulated engines, a gateway, and requests through them.</summary>
internal static class DemoCommand
{
    public static Command Create(CommandContext context)
    {
        var flags = new DemoFlags();
        var command = new DocumentedCommand("demo",
            "Start simulated prefill and decode engines and a gateway, send requests through it, and show the results. Each "
            + "answer is compared with that of a single engine. The gateway then keeps serving, unless --once is given.")
        {
            Examples =
            [
                "orleanspd demo",
                "orleanspd demo --once --port 0 --requests 1000 --rate 0 --speed 0",
                "orleanspd demo --once --processes --trace mooncake_conversation.jsonl --requests 10000 --rate 0 --speed 0",
            ],
        };
        flags.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await new DemoRun(flags.Options(parsed), context, StartStageAsync).RunAsync(cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }

    internal static async Task<IDemoStage> StartStageAsync(
        DemoOptions options, CommandContext context, CancellationToken cancellationToken) => options.Processes
        ? await ProcessStage.StartAsync(options, cancellationToken)
        : await InProcessStage.StartAsync(options, context, cancellationToken);
}
