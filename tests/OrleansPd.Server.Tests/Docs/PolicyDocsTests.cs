using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;

namespace OrleansPd.Server.Tests.Docs;

/// <summary>
/// The table of policies in <c>docs/control-plane.md</c> is generated from <see cref="PolicyTable"/>. To write it again:
/// <c>ORLEANSPD_WRITE_DOCS=1 dotnet test tests/OrleansPd.Server.Tests --filter FullyQualifiedName~PolicyDocsTests</c>.
/// </summary>
public sealed class PolicyDocsTests
{
    private const string Begin = "<!-- policies: made by PolicyDocsTests, do not edit -->";
    private const string End = "<!-- end of policies -->";

    [Fact]
    public async Task The_document_lists_every_policy()
    {
        var cancel = TestContext.Current.CancellationToken;
        var path = Path.Combine(Repository.Root, "docs", "control-plane.md");
        var text = await File.ReadAllTextAsync(path, cancel);
        var (from, to) = (text.IndexOf(Begin, StringComparison.Ordinal)
            + Begin.Length, text.IndexOf(End, StringComparison.Ordinal));
        Assert.True(from > Begin.Length && to > from, "docs/control-plane.md has lost the marks around the table of policies");
        var policies = PolicyTable.All.Select(policy =>
            $"| `{policy.Name}`{(policy.Name == new ControlPlaneOptions().Policy ? " (default)" : "")} | {policy.Picks} "
            + $"| {policy.MeantFor} |\n");
        var table = $"\n\n| policy | picks | meant for |\n| --- | --- | --- |\n{string.Concat(policies)}\n";
        if (Environment.GetEnvironmentVariable("ORLEANSPD_WRITE_DOCS") == "1")
        {
            await File.WriteAllTextAsync(path, text[..from] + table + text[to..], cancel);
            return;
        }
        Assert.Equal(table, text[from..to]);
    }
}
