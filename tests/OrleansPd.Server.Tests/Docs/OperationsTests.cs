using System.Globalization;
using System.Text;
using OrleansPd.Server.Settings;

namespace OrleansPd.Server.Tests.Docs;

/// <summary>
/// The tables of flags in <c>docs/operations.md</c> are generated from the options. To write them again:
/// <c>ORLEANSPD_WRITE_DOCS=1 ./test.sh Server</c>.
/// </summary>
public sealed class OperationsTests
{
    private const string Begin = "<!-- flags: made by OperationsTests, do not edit -->";
    private const string End = "<!-- end of flags -->";

    [Fact]
    public async Task The_document_lists_every_flag()
    {
        var cancel = TestContext.Current.CancellationToken;
        var path = Path.Combine(Repository.Root, "docs", "operations.md");
        var text = await File.ReadAllTextAsync(path, cancel);
        var (from, to) = (text.IndexOf(Begin, StringComparison.Ordinal)
            + Begin.Length, text.IndexOf(End, StringComparison.Ordinal));
        Assert.True(from > Begin.Length && to > from, "docs/operations.md has lost the marks around the tables of flags");
        var made = $"\n\n{Tables()}\n";
        if (Environment.GetEnvironmentVariable("ORLEANSPD_WRITE_DOCS") == "1")
        {
            await File.WriteAllTextAsync(path, text[..from] + made + text[to..], cancel);
            return;
        }

        Assert.True(made == text[from..to],
            "docs/operations.md differs from the flags; the comment of this class says how to update it");
    }

    private static string Tables()
    {
        var output = new StringBuilder();
        var engines = new WorkerFlags().All.Select(option => (option.Name, option.HelpName, option.Description));
        output.Append("### Engines\n\n| flag | value | |\n| --- | --- | --- |\n");
        foreach (var (name, value, help) in engines)
            output.Append(CultureInfo.InvariantCulture, $"| `{name}` | {value?.ToLowerInvariant()} | {help} |\n");

        foreach (var (title, flags) in GatewayFlags.Groups)
        {
            output.Append(CultureInfo.InvariantCulture, $"\n### {title}\n\n")
                .Append("| flag | value | default | range | setting | |\n| --- | --- | --- | --- | --- | --- |\n");
            foreach (var flag in flags)
            {
                output.Append(CultureInfo.InvariantCulture,
                    $"| `{flag.Display}` | {flag.Value.ToLowerInvariant()} | {flag.Default} | ")
                    .Append(CultureInfo.InvariantCulture, $"{flag.Range} | `{flag.Key}` | {flag.Meaning} |\n");
            }
        }

        return output.ToString();
    }
}
