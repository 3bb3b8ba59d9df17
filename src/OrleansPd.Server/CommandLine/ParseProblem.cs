using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace OrleansPd.Server.CommandLine;

/// <summary>Explains why a command line cannot be parsed, with the nearest names that exist.</summary>
internal static class ParseProblem
{
    public static string Explain(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens.Count == 0)
        {
            return parsed.CommandResult.Command is { Subcommands: { Count: > 0 } commands }
                ? $"give a command: {string.Join(", ", commands.Where(command => !command.Hidden).Select(command => command.Name))}."
                : parsed.Errors[0].Message;
        }

        using var text = new StringWriter();
        if (parsed.Action is ParseErrorAction action)
        {
            (action.ShowHelp, action.ShowTypoCorrections) = (false, true);
            parsed.Invoke(new() { Output = text, Error = text });
        }

        var lines = text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length > 0 ? string.Join(Environment.NewLine, lines) : parsed.Errors[0].Message;
    }

    /// <summary>
    /// The first flag among the values of an option that takes many: <c>--decode URL --polcy random</c> has two values more than
    /// was meant. No value of ours begins with two dashes.
    /// </summary>
    public static string? FlagAmongValues(ParseResult parsed) => parsed.CommandResult.Children.OfType<OptionResult>()
        .Where(option => !option.Implicit).SelectMany(option => option.Tokens)
        .Select(token => token.Value).FirstOrDefault(value => value.StartsWith("--", StringComparison.Ordinal));
}
