using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Standalone;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Tests.Commands;

/// <summary>The <c>pools</c> commands against a gateway that runs.</summary>
public sealed class PoolsCommandTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pool_is_scaled_and_listed()
    {
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0 }, cancellationToken: Token);
        Assert.Contains("no pools", (await RunAsync(gateway, "list")).Out);
        Assert.Equal("decode/-: 8 wanted, 0 present, 0 ready\n", (await RunAsync(gateway, "scale", "decode", "8")).Out);
        Assert.Contains("prefill/org/m: 2 wanted", (
            await RunAsync(gateway, "scale", "prefill", "2", "--model", "org/m", "--drain")).Out);
        var list = (await RunAsync(gateway, "list")).Out.Split('\n');
        Assert.Equal("POOL           WANTED  PRESENT  READY  DRAINING  MISSING  SURPLUS", list[0]);
        Assert.Equal("prefill/org/m  2       0        0      0         2        0", list[1]);
        Assert.Equal("decode/-       8       0        0      0         8        0", list[2]);
        Assert.Contains("\"wanted\": 8", (await RunAsync(gateway, "list", "--json")).Out);
        Assert.Contains("decode/-: none wanted", (await RunAsync(gateway, "scale", "decode", "none")).Out);
        Assert.DoesNotContain("decode", (await RunAsync(gateway, "list")).Out);
    }

    [Theory]
    [InlineData("scale decode many", "WANTED: 'many' is not a whole number")]
    [InlineData("scale decode 10001", "'wanted' must be a whole number from 0 to 10000")]
    [InlineData("scale both 1", "ROLE: 'both' is not prefill, decode or regular")]
    [InlineData("scale decode none --drain", "'drain_surplus' needs a 'wanted' number")]
    public async Task Bad_input_is_one_sentence_and_changes_nothing(string line, string problem)
    {
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0 }, cancellationToken: Token);
        var (code, _, error) = await TryAsync(gateway, line.Split(' '));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(problem, error);
        Assert.Contains("no pools", (await RunAsync(gateway, "list")).Out);
    }

    [Fact]
    public async Task The_admin_key_is_asked_for()
    {
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0, AdminApiKey = "k-1" }, cancellationToken: Token);
        Assert.Contains("needs the admin key", (await TryAsync(gateway, "scale", "decode", "1")).Error);
        Assert.Contains("1 wanted", (await RunAsync(gateway, "scale", "decode", "1", "--admin-api-key", "k-1")).Out);
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(GatewayServer gateway, params string[] args)
    {
        var answer = await TryAsync(gateway, args);
        Assert.True(answer.Code == ExitCode.Success, answer.Error);
        return answer;
    }

    private static async Task<(int Code, string Out, string Error)> TryAsync(GatewayServer gateway, params string[] args)
    {
        var bed = new CommandLineTestBed();
        var code = await bed.RunAsync(["pools", .. args, "--url", gateway.Url.ToString()]);
        return (code, bed.Out, bed.Error);
    }
}
