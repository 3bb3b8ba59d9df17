using System.Text.RegularExpressions;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Clients;

/// <summary>The README's curl lines, as they stand there, against a gateway with a pair of engines.</summary>
public sealed partial class ReadmeTests
{
    [Fact]
    public async Task Every_curl_line_works()
    {
        var bash = Tool.Need("bash", "bash");
        Tool.Need("curl", "curl");
        var commands = Commands(await File.ReadAllTextAsync(Tool.Repository("README.md"), Stage.Token)).ToArray();
        Assert.NotEmpty(commands);
        await using var stage = await Stage.StartAsync(options: new GatewayOptions());
        foreach (var command in commands)
        {
            Assert.Contains("127.0.0.1:30000", command);
            var here = command.Replace("127.0.0.1:30000", stage.Gateway.Url.Authority, StringComparison.Ordinal);

            var (code, output) = await Tool.RunAsync(bash, null, TimeSpan.FromMinutes(
                1), "-c", here.Replace("curl ", "curl -sS --fail-with-body ", StringComparison.Ordinal));

            Assert.True(code == 0, $"{command}\n{code}: {output}");
            if (command.Contains("\"stream\":true", StringComparison.Ordinal))
                Assert.NotEmpty(Stage.Events(output));
        }
    }

    /// <summary>Lines of the shell blocks that begin with curl, with the lines that go on.</summary>
    private static IEnumerable<string> Commands(string markdown) =>
        from block in Blocks().Matches(markdown)
        let text = block.Groups[1].Value.Replace("\\\n", " ", StringComparison.Ordinal)
        from line in text.Split('\n')
        where line.StartsWith("curl ", StringComparison.Ordinal)
        select line;

    [GeneratedRegex("```bash\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Blocks();
}
