using System.Text;

namespace OrleansPd.Architecture.Tests;

/// <summary><c>arrows.txt</c>: the folders of <c>src</c>, each followed by the folders it may use.</summary>
internal static class ArrowTable
{
    private const string Indent = "    ";
    private static readonly string FileName = Repository.OfSuite("arrows.txt");

    public static IReadOnlySet<Arrow> Read()
    {
        var arrows = new HashSet<Arrow>();
        var from = "";
        foreach (var line in File.ReadLines(FileName).Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (!line.StartsWith(Indent, StringComparison.Ordinal))
                from = line;
            else
                Assert.True(arrows.Add(new(from, line.Trim())), $"arrows.txt has {from} -> {line.Trim()} twice");
        }

        return arrows;
    }

    public static void Write(IEnumerable<Arrow> arrows)
    {
        var text = new StringBuilder();
        foreach (var line in File.ReadLines(FileName).TakeWhile(line => line.StartsWith('#')))
            text.Append(line).Append('\n');

        foreach (var group in arrows.GroupBy(arrow => arrow.From).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            text.Append('\n').Append(group.Key).Append('\n');
            foreach (var to in group.Select(arrow => arrow.To).Order(StringComparer.Ordinal))
                text.Append(Indent).Append(to).Append('\n');
        }

        File.WriteAllText(FileName, text.ToString());
    }
}
