using System.CommandLine;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd engine</c>: one simulated engine.</summary>
internal static class EngineCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new DocumentedCommand("engine", "Run one simulated SGLang engine: real HTTP, a real KV hand-off, no GPU.");
        command.SetAction(int (_) => throw new CommandFailedException("engine: not in this version."));
        return command;
    }
}
