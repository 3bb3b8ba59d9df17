using System.CommandLine;

namespace OrleansPd.Server.CommandLine;

/// <summary>A command as one types it: <c>orleanspd workers list</c>.</summary>
internal static class CommandPath
{
    public static string Of(Command command)
    {
        var names = new List<string>();
        var program = "orleanspd";
        for (var at = command; at is not null; at = at.Parents.OfType<Command>().FirstOrDefault())
        {
            if (at is NamedRoot root) program = root.Program;
            else if (at is not RootCommand) names.Add(at.Name);
        }
        names.Add(program);
        names.Reverse();
        return string.Join(' ', names);
    }
}

/// <summary>The root of the commands of a program that is not <c>orleanspd</c>.</summary>
internal sealed class NamedRoot(string program, string description) : RootCommand(description)
{
    public string Program => program;
}
