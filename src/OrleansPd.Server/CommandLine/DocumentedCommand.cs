namespace OrleansPd.Server.CommandLine;

/// <summary>A command whose help has groups of options and ends with examples.</summary>
internal sealed class DocumentedCommand(string name, string description) : Command(name, description)
{
    private readonly List<OptionGroup> _groups = [];

    public IReadOnlyList<OptionGroup> Groups => _groups;
    public IReadOnlyList<string> Examples { get; init; } = [];

    public void Add(string group, params IEnumerable<Option> options)
    {
        var added = options.ToArray();
        foreach (var option in added)
            Add(option);
        _groups.Add(new(group, added));
    }
}

/// <summary>A group of options under a heading.</summary>
internal sealed record OptionGroup(string Title, IReadOnlyList<Option> Options);
