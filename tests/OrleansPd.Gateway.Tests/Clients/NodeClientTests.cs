using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Clients;

/// <summary>The official OpenAI client for Node against a gateway and a pair of engines. The package comes from npm.</summary>
public sealed class NodeClientTests
{
    private const string Package = "openai@7.57.0";

    [Fact]
    public async Task The_node_client_works_step_by_step()
    {
        var node = Tool.Need("node", "nodejs");
        var npm = Tool.Need("npm", "npm");
        var folder = Directory.CreateTempSubdirectory("orleanspd-node-");
        try
        {
            var install = await Tool.RunAsync(
                npm, folder.FullName, TimeSpan.FromMinutes(
                    3), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder.FullName, Package);
            Assert.SkipWhen(install.Code != 0, $"NOT TESTED: npm cannot install {Package}: {install.Output}");
            var script = Path.Combine(folder.FullName, "client.mjs");
            File.Copy(Tool.Repository("tests/OrleansPd.Gateway.Tests/Clients/openai.mjs"), script);
            await using var stage = await Stage.StartAsync(2, 2);

            var (code, output) = await Tool.RunAsync(
                node, folder.FullName, TimeSpan.FromMinutes(1), script, stage.Gateway.Url.ToString().TrimEnd('/'));

            Assert.True(code == 0 && output.Trim().EndsWith("ok", StringComparison.Ordinal), output);
            await stage.EmptyAsync();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
