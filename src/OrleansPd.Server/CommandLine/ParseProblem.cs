using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace OrleansPd.Server.CommandLine;

/// <summary>Explains why a command line cannot be parsed, with the nearest names that exist.</summary>
internal static class ParseProblem
{
    public static string Explain(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens is not [var unknown, ..])
        {
            var commands = parsed.CommandResult.Command.Subcommands.Where(command => !command.Hidden).ToArray();
            return commands.Length > 0
                ? $"give a command: {string.Join(", ", commands.Select(command => command.Name))}."
                : parsed.Errors[0].Message;
        }
        using var corrections = new StringWriter();
        if (parsed.Action is ParseErrorAction action)
        {
            (action.ShowHelp, action.ShowTypoCorrections) = (false, true);
            parsed.Invoke(new() { Output = corrections, Error = TextWriter.Null });
        }
        var problem = parsed.Errors.FirstOrDefault(error => error.Message.Contains(unknown, StringComparison.Ordinal));
        return $"{(problem ?? parsed.Errors[0]).Message}{Environment.NewLine}{corrections}".Trim();
    }

    /// <summary>
    /// The first flag among the values of an option that takes many: <c>--decode URL --polcy random</c> has two values more than
    /// was meant. No value of ours begins with two dashes.
    /// </summary>
    public static string? FlagAmongValues(ParseResult parsed) => parsed.CommandResult.Children.OfType<OptionResult>()
        .Where(option => !option.Implicit).SelectMany(option => option.Tokens)
        .Select(token => token.Value).FirstOrDefault(value => value.StartsWith("--", StringComparison.Ordinal));
}
