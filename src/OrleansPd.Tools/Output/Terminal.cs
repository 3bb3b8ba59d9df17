using Spectre.Console;

namespace OrleansPd.Tools.Output;

/// <summary>The console that commands draw on.</summary>
internal static class Terminal
{
    /// <summary>Lines in files and pipes are never wrapped.</summary>
    private const int Unwrapped = 10_000;

    public static IAnsiConsole Create(CommandContext context)
    {
        if (context.Interactive)
            return AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(context.Out) });

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
