namespace OrleansPd.Server.CommandLine;

/// <summary>A command with its parents, as typed: <c>orleanspd workers list</c>.</summary>
internal static class CommandPath
{
    public static string Of(Command command)
    {
        var names = new List<string>();
        for (var at = command; at is not null; at = at.Parents.OfType<Command>().FirstOrDefault())
        {
            if (at is not RootCommand)
                names.Add(at.Name);
        }
        names.Add("orleanspd");
        names.Reverse();
        return string.Join(' ', names);
    }
}
