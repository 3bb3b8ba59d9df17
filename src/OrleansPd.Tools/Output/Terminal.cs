using Spectre.Console;

namespace OrleansPd.Tools.Output;

/// <summary>Where commands draw.</summary>
internal static class Terminal
{
    /// <summary>So wide that lines are never wrapped: what reads a file or a pipe does that by itself.</summary>
    private const int Unwrapped = 10_000;

    public static IAnsiConsole Create(CommandContext context)
    {
        if (context.Interactive)
        {
            return AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(context.Out) });
        }

        var plain = AnsiConsole.Create(new()
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(context.Out),
        });
        plain.Profile.Width = Unwrapped;
        return plain;
    }
}
