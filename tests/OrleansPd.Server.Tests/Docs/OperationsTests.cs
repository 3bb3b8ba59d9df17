using System.Globalization;
using System.Text;
using OrleansPd.Gateway.Options;
using OrleansPd.Server.Settings;

namespace OrleansPd.Server.Tests.Docs;

/// <summary>
/// <c>docs/operations.md</c> is made of the flags in the code; this fails when the two part. To write it anew:
/// <c>ORLEANSPD_WRITE_DOCS=1 dotnet test tests/OrleansPd.Server.Tests --filter FullyQualifiedName~OperationsTests</c>.
/// </summary>
public sealed class OperationsTests
{
    private const string Begin = "<!-- flags: made by OperationsTests, do not edit -->";
    private const string End = "<!-- end of flags -->";

    [Fact]
    public async Task The_document_has_every_flag_as_the_code_has_it()
    {
        var path = Repository("docs/operations.md");
        var text = await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
        var (from, to) = (text.IndexOf(Begin, StringComparison.Ordinal)
            + Begin.Length, text.IndexOf(End, StringComparison.Ordinal));
        Assert.True(from > Begin.Length && to > from, "docs/operations.md has lost the marks between which the flags stand.");
        var made = $"\n\n{Flags()}\n";
        if (Environment.GetEnvironmentVariable("ORLEANSPD_WRITE_DOCS") == "1")
        {
            await File.WriteAllTextAsync(path, text[..from] + made + text[to..], TestContext.Current.CancellationToken);
            return;
        }

        Assert.True(made == text[from..to],
            "docs/operations.md is not what the flags in the code say; this class tells how to write it anew.");
    }

    private static string Flags()
    {
        var output = new StringBuilder();
        foreach (var (title, flags) in GatewayFlags.Groups)
        {
            output.Append(CultureInfo.InvariantCulture,
                $"### {title}\n\n| flag | value | default | setting | |\n| --- | --- | --- | --- | --- |\n");
            foreach (var flag in flags)
            {
                var value = flag.Value.Length == 0 ? "" : flag.Value.ToLowerInvariant();
                output.Append(CultureInfo.InvariantCulture,
                    $"| `--{flag.Name}` | {value} | {Default(flag)} | `{flag.Key}` | {flag.Help.Replace("|", "\\|", StringComparison.Ordinal)} |\n");
            }

            output.Append('\n');
        }

        return output.ToString().TrimEnd('\n') + "\n";
    }

    /// <summary>The value of the option itself: where the help says otherwise, the table shows both.</summary>
    private static string Default(GatewayFlag flag)
    {
        if (flag.Means is not null || flag.Key.StartsWith("Logging:", StringComparison.Ordinal))
        {
            return "";
        }

        var options = new GatewayOptions();
        object section = flag.Key.StartsWith("Gateway:", StringComparison.Ordinal) ? options : options.ControlPlane;
        var property = section.GetType().GetProperty(flag.Key[(flag.Key.IndexOf(':', StringComparison.Ordinal) + 1)..])!;
        return property.GetValue(section) switch
        {
            null => "none",
            bool on => on ? "on" : "off",
            System.Collections.ICollection list =>
                list.Count == 0 ? "none" : throw new InvalidOperationException("a list with defaults"),
            Enum name => $"`{name.ToString().ToLowerInvariant()}`",
            var value => $"`{Convert.ToString(value, CultureInfo.InvariantCulture)}`",
        };
    }

    private static string Repository(string file)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "OrleansPd.sln")))
            {
                return Path.Combine(folder.FullName, file);
            }
        }

        throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}
