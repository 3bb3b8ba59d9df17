using System.CommandLine;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd bootstrap</c>: a KV bootstrap server alone.</summary>
internal static class BootstrapCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new DocumentedCommand("bootstrap", "Run a KV bootstrap server alone, as SGLang prefill engines and their peers use it.");
        command.SetAction(int (_) => throw new CommandFailedException("bootstrap: not in this version."));
        return command;
    }
}
