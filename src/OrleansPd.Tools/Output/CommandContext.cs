namespace OrleansPd.Tools.Output;

/// <summary>The environment of a command: output, variables, clock, terminal.</summary>
internal sealed record CommandContext
{
    public required TextWriter Out { get; init; }
    public required TextWriter Error { get; init; }
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Output goes to a terminal, where colours and progress can be shown.</summary>
    public bool Interactive { get; init; }

    /// <summary>Columns of the terminal.</summary>
    public int Width { get; init; } = 100;

    public static CommandContext OfProcess()
    {
        var environment = System.Environment.GetEnvironmentVariables();
        var redirected = Console.IsOutputRedirected;
        return new()
        {
            Out = Console.Out,
            Error = Console.Error,
            Environment = environment.Keys.Cast<string>()
                .ToDictionary(name => name, name => (string?)environment[name] ?? "", StringComparer.OrdinalIgnoreCase),
            Interactive = !redirected && !environment.Contains("NO_COLOR") && (string?)environment["TERM"] != "dumb",
            Width = redirected ? 100 : Math.Clamp(Console.WindowWidth, 60, 140),
        };
    }

    public void Warn(string message) => Error.WriteLine($"warning: {message}");
}
