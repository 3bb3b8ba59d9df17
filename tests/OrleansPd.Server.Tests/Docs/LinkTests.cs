using System.Text.RegularExpressions;

namespace OrleansPd.Server.Tests.Docs;

/// <summary>Links between the pages of this repository lead somewhere.</summary>
public sealed partial class LinkTests
{
    public static TheoryData<string> Pages =>
        [.. Directory.EnumerateFiles(Repository.Root, "*.md").Concat(
                Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories))
            .Select(page => Path.GetRelativePath(Repository.Root, page))];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_link_to_a_file_leads_to_one(string page)
    {
        var path = Path.Combine(Repository.Root, page);
        foreach (Match link in Link().Matches(File.ReadAllText(path)))
        {
            var target = link.Groups[1].Value;
            if (target.Contains("://", StringComparison.Ordinal) || target.StartsWith('#'))
                continue;

            var file = Path.Combine(Path.GetDirectoryName(path)!, target.Split('#')[0]);

            Assert.True(File.Exists(file) || Directory.Exists(file), $"{page} links to {target}, which is not there");
        }
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
