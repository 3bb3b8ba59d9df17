using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Standalone;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Tests.Commands;

/// <summary>The <c>workers</c> commands against a gateway and engines that run.</summary>
public sealed class WorkersCommandTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_engine_is_added_listed_and_drained_until_it_is_safe_to_kill()
    {
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0 }, cancellationToken: Token);
        await using var engine = await SimulatedEngine.StartAsync(new() { Speed = 0 }, ct: Token);
        var url = engine.Url.GetLeftPart(UriPartial.Authority);
        Assert.Contains("no engines", await RunAsync(gateway, "list"));
        Assert.Contains($"{url} added as", await RunAsync(gateway, "add", url));
        Assert.Contains("registered already", await FailAsync(gateway, "add", url));
        var list = await RunAsync(gateway, "list");
        Assert.StartsWith("URL", list);
        Assert.Contains(url, list);
        Assert.Contains("\"worker_type\": \"regular\"", await RunAsync(gateway, "list", "--json"));
        Assert.Contains("Only prefill and decode", await FailAsync(gateway, "role", url, "prefill"));
        Assert.Contains($"{url} is safe to kill", await RunAsync(gateway, "drain", url, "--wait"));
        Assert.Contains("gone", await RunAsync(gateway, "list"));
        Assert.Contains("added as", await RunAsync(gateway, "add", url));
        Assert.Contains("is removed", await RunAsync(gateway, "remove", url));
    }

    [Fact]
    public async Task The_admin_key_comes_by_flag_or_environment()
    {
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0, AdminApiKey = "k-1" }, cancellationToken: Token);
        Assert.Contains("needs the admin key", await FailAsync(gateway, "list"));
        Assert.Contains("no engines", await RunAsync(gateway, "list", "--admin-api-key", "k-1"));
        var bed = new CommandLineTestBed(("ORLEANSPD_ADMIN_API_KEY", "k-1"));
        Assert.Equal(ExitCode.Success, await bed.RunAsync("workers", "list", "--url", gateway.Url.ToString()));
    }

    [Fact]
    public async Task A_gateway_that_is_not_there_is_a_failure_that_says_so()
    {
        var bed = new CommandLineTestBed();
        Assert.Equal(ExitCode.Failure, await bed.RunAsync("workers", "list", "--url", "http://127.0.0.1:1"));
        Assert.Contains("no gateway answers", bed.Error);
        Assert.Equal(ExitCode.BadInput, await bed.RunAsync("workers", "list", "--url", "nonsense"));
        Assert.Equal(ExitCode.Success, await bed.RunAsync("workers", "drain", "--help"));
        Assert.Contains("--wait", bed.Out);
        Assert.Contains("orleanspd workers drain WORKER [options]", bed.Out, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(ExitCode.BadInput, await bed.RunAsync("workers", "list", "--nonsense"));
        Assert.Contains("'orleanspd workers list --help' lists commands and flags", bed.Error);
    }

    private static async Task<string> RunAsync(GatewayServer gateway, params string[] args)
    {
        var bed = new CommandLineTestBed();
        var code = await bed.RunAsync(["workers", .. args, "--url", gateway.Url.ToString()]);
        Assert.True(code == ExitCode.Success, bed.Error);
        return bed.Out;
    }

    private static async Task<string> FailAsync(GatewayServer gateway, params string[] args)
    {
        var bed = new CommandLineTestBed();
        Assert.Equal(ExitCode.Failure, await bed.RunAsync(["workers", .. args, "--url", gateway.Url.ToString()]));
        return bed.Error;
    }
}
