namespace OrleansPd.Architecture.Tests;

/// <summary>Finds groups of folders in which each can be reached from each (Tarjan's algorithm).</summary>
internal sealed class Circles
{
    private readonly ILookup<string, string> _uses;
    private readonly Dictionary<string, (int Index, int Low)> _seen = [];
    private readonly Stack<string> _path = [];
    private readonly List<IReadOnlyList<string>> _found = [];

    private Circles(IEnumerable<Arrow> arrows) => _uses = arrows.ToLookup(arrow => arrow.From, arrow => arrow.To);

    public static IReadOnlyList<IReadOnlyList<string>> In(IEnumerable<Arrow> arrows)
    {
        var search = new Circles(arrows);
        foreach (var from in search._uses.Select(group => group.Key).Order(StringComparer.Ordinal))
        {
            if (!search._seen.ContainsKey(from))
                search.Visit(from);
        }

        return search._found;
    }

    private void Visit(string folder)
    {
        var index = _seen.Count;
        _seen[folder] = (index, index);
        _path.Push(folder);
        foreach (var next in _uses[folder])
        {
            if (!_seen.ContainsKey(next))
            {
                Visit(next);
                Lower(folder, _seen[next].Low);
            }
            else if (_path.Contains(next))
            {
                Lower(folder, _seen[next].Index);
            }
        }

        if (_seen[folder].Low != index)
            return;

        var circle = new List<string>();
        do
        {
            circle.Add(_path.Pop());
        }
        while (circle[^1] != folder);
        if (circle.Count > 1)
            _found.Add([.. circle.Order(StringComparer.Ordinal)]);
    }

    private void Lower(string folder, int low) =>
        _seen[folder] = (_seen[folder].Index, Math.Min(_seen[folder].Low, low));
}
