using System.CommandLine;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd demo</c>: engines and a gateway in one process, with requests through them.</summary>
internal static class DemoCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new DocumentedCommand("demo",
            "Start two prefill and two decode simulated engines and a gateway, send requests through it, show what happened.");
        command.SetAction(int (_) => throw new CommandFailedException("demo: not in this version."));
        return command;
    }
}
