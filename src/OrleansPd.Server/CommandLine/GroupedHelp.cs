using System.CommandLine.Invocation;

namespace OrleansPd.Server.CommandLine;

/// <summary>Writes help: description, usage, options in groups, examples.</summary>
internal sealed class GroupedHelp(CommandContext context) : SynchronousCommandLineAction
{
    private const int LeftColumn = 34;

    public override int Invoke(ParseResult parseResult)
    {
        var command = parseResult.CommandResult.Command;
        var output = context.Out;
        Wrapped(output, command.Description ?? "", 0);
        output.WriteLine();
        output.WriteLine("Usage:");
        output.WriteLine($"  {Usage(command)}");
        Section(output, "Commands", command.Subcommands.Where(sub => !sub.Hidden)
            .Select(sub => (sub.Name, FirstSentence(sub.Description ?? ""))));
        Section(output, "Arguments", command.Arguments.Where(argument => !argument.Hidden)
            .Select(argument => (Shown(argument), argument.Description ?? "")));
        var groups = command is DocumentedCommand documented ? documented.Groups : [];
        foreach (var group in groups)
            Section(output, group.Title, group.Options.Where(option => !option.Hidden).Select(Row));
        if (command is DocumentedCommand { Examples: { Count: > 0 } examples })
        {
            output.WriteLine();
            output.WriteLine("Examples:");
            foreach (var example in examples)
                output.WriteLine($"  {example}");
        }
        if (command.Subcommands.Count > 0)
        {
            output.WriteLine();
            output.WriteLine($"'{CommandPath.Of(command)} COMMAND --help' shows the help of a command.");
        }
        return ExitCode.Success;
    }

    private static string Shown(Argument argument) =>
        argument.Arity.MinimumNumberOfValues > 0 ? argument.Name : $"[{argument.Name}]";

    private static string FirstSentence(string text) =>
        text.IndexOf(". ", StringComparison.Ordinal) is >= 0 and var end ? text[..(end + 1)] : text;

    private static string Usage(Command command)
    {
        if (command.Subcommands.Count > 0)
            return $"{CommandPath.Of(command)} COMMAND [options]";
        var arguments =
            string.Concat(command.Arguments.Where(argument => !argument.Hidden).Select(argument => " " + Shown(argument)));
        return $"{CommandPath.Of(command)}{arguments} [options]";
    }

    private static (string, string) Row(Option option)
    {
        var names = string.Join(", ", option.Aliases.Prepend(option.Name));
        return (option.HelpName is { } value ? $"{names} {value}" : names, option.Description ?? "");
    }

    private void Section(TextWriter output, string title, IEnumerable<(string Left, string Right)> rows)
    {
        var list = rows.ToArray();
        if (list.Length == 0)
            return;
        output.WriteLine();
        output.WriteLine($"{title}:");
        foreach (var (left, right) in list)
        {
            output.Write($"  {left}");
            if (left.Length + 4 > LeftColumn)
            {
                output.WriteLine();
                output.Write(new string(' ', LeftColumn));
            }
            else
            {
                output.Write(new string(' ', LeftColumn - left.Length - 2));
            }
            Wrapped(output, right, LeftColumn);
        }
    }

    /// <summary>Wraps words at the width of the terminal; all lines begin at the same column.</summary>
    private void Wrapped(TextWriter output, string text, int indent)
    {
        var column = indent;
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (column > indent && column + word.Length + 1 > context.Width)
            {
                output.WriteLine();
                output.Write(new string(' ', indent));
                column = indent;
            }
            else if (column > indent)
            {
                output.Write(' ');
                column++;
            }
            output.Write(word);
            column += word.Length;
        }
        output.WriteLine();
    }
}
