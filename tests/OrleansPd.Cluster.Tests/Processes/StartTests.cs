using System.Net;
using System.Net.Sockets;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>What a silo reports that cannot start.</summary>
[Collection(ProcessTests.Name)]
public class StartTests
{
    [Fact]
    public async Task Without_Redis_it_reports_that_and_what_to_do()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a Unix shell");
        var (code, output) = await SiloProcess.RunAsync("gateway", "--redis", "127.0.0.1:1", "--port", "0");
        Assert.Equal(1, code);
        Assert.Contains("error: Redis at 127.0.0.1:1 does not answer: start it, or name another with --redis.", output,
            StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_Redis_that_hangs_it_reports_that_and_ends()
    {
        await using var redis = await RedisProcess.StartAsync();
        redis.Freeze();
        var (code, output) = await SiloProcess.RunAsync("gateway", "--redis", redis.Address, "--port", "0");
        Assert.Equal(1, code);
        Assert.Contains(
            $"error: Redis at {redis.Address} does not answer: start it, or name another with --redis.", output,
            StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_Redis_that_requires_a_password_it_reports_where_to_put_it()
    {
        await using var redis = await RedisProcess.StartAsync("--requirepass", "secret");
        foreach (var given in new[] { "", ",password=wrong" })
        {
            var (code, output) = await SiloProcess.RunAsync("gateway", "--redis", redis.Address + given, "--port", "0");
            Assert.Equal(1, code);
            Assert.Contains(
                $"error: Redis at {redis.Address} wants a password, or another one: set "
                    + "ORLEANSPD_SILO__REDIS=HOST:PORT,password=...",
                output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("192.0.2.1", "error: 192.0.2.1 is not an address of this machine: choose another with --host.")]
    [InlineData("no.such.name.invalid", "error: no.such.name.invalid is an unknown name: choose another with --host.")]
    public async Task A_host_that_is_not_this_machine_is_named(string host, string problem)
    {
        await using var redis = await RedisProcess.StartAsync();
        var (code, output) = await SiloProcess.RunAsync(
            "gateway", "--redis", redis.Address, "--host", host, "--port", "0", "--silo-port", "0", "--gateway-port", "0");
        Assert.Equal(1, code);
        Assert.Contains(problem, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_port_is_named_with_its_flag()
    {
        await using var redis = await RedisProcess.StartAsync();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString();
        foreach (var flag in new[] { "--port", "--silo-port", "--gateway-port" })
        {
            string[] ports = [.. new[] { "--port", "--silo-port", "--gateway-port" }
                .SelectMany(f => (string[])[f, f == flag ? port : "0"])];
            var (code, output) = await SiloProcess.RunAsync(
                ["gateway", "--host", "127.0.0.1", "--redis", redis.Address, .. ports]);
            Assert.Equal(1, code);
            Assert.Contains($"error: port {port} on 127.0.0.1 is taken by another process", output, StringComparison.Ordinal);
            Assert.Contains($"choose another port with {flag} ", output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"Spoken":99,"Oldest":98,"RoomShards":16,"Build":"9.9.0","Until":99999999999999}""", "versions clash",
        "Start a newer build here")]
    [InlineData("""{"Spoken":1,"Oldest":1,"RoomShards":4,"Build":"0.1.0","Until":99999999999999}""",
        "Cluster:RoomShards is 16 here and 4", "")]
    public async Task It_does_not_join_incompatible_silos(string other, string problem, string advice)
    {
        await using var redis = await RedisProcess.StartAsync();
        await using var connection = await redis.ConnectAsync();
        await connection.GetDatabase().HashSetAsync("s/terms/c", "10.0.0.7:11111", other);
        // A cluster exists, so the silo does not wait for one in a Redis that has just started.
        await connection.GetDatabase().HashSetAsync("s/members/c", "Version", "1");
        var (code, output) = await SiloProcess.RunAsync(
            "gateway", "--redis", redis.Address, "--cluster-id", "c", "--service-id", "s", "--port", "0", "--silo-port", "0",
            "--gateway-port", "0");
        Assert.Equal(1, code);
        Assert.Contains(problem, output, StringComparison.Ordinal);
        Assert.Contains("10.0.0.7:11111", output, StringComparison.Ordinal);
        Assert.Contains(advice, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--silo-port 5 --gateway-port 5", "--silo-port and --gateway-port are both 5")]
    [InlineData("--cluster-id a/b", "--cluster-id: 'a/b' may hold no space and no '/'")]
    [InlineData("--advertise nowhere", "--advertise: 'nowhere' is no IP address")]
    [InlineData("--probe-timeout-ms 1", "--probe-timeout-ms: 1 is not between 50 and 60000")]
    [InlineData("--probe-timeout-ms 100 --missed-probes 2",
        "--probe-timeout-ms 100 with --missed-probes 2: a silo could be declared dead 200 ms after it stopped answering")]
    [InlineData("--redis 127.0.0.1:6379,timeout=soon", "--redis is not HOST:PORT or a Redis configuration")]
    [InlineData("--silo-port 99999", "--silo-port: 99999 is not between 0 and 65535")]
    [InlineData("--config /no/such/file.json", "--config: there is no file /no/such/file.json")]
    [InlineData("--bootstrap-facade --facade-host 127.0.0.1", "--bootstrap-facade is not available in a cluster")]
    [InlineData("--policy fastest", "--policy: 'fastest'")]
    [InlineData("--no-such-flag", "Unrecognized command or argument '--no-such-flag'")]
    public async Task Bad_input_starts_nothing(string flags, string problem)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a Unix shell");
        var (code, output) = await SiloProcess.RunAsync(
            ["gateway", .. flags.Contains("--redis", StringComparison.Ordinal) ? []
                : (string[])["--redis", "127.0.0.1:1"], .. flags.Split(' ')]);
        Assert.Equal(2, code);
        Assert.Contains(problem, output, StringComparison.Ordinal);
        Assert.Contains("'orleanspd gateway --help'", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--node gpu-1", "--node is a cluster setting and needs --redis")]
    [InlineData("--probe-timeout-ms 700", "--probe-timeout-ms is a cluster setting and needs --redis")]
    public async Task Settings_of_a_cluster_need_Redis(string flags, string problem)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a Unix shell");
        var (code, output) = await SiloProcess.RunAsync(["gateway", "--port", "0", .. flags.Split(' ')]);
        Assert.Equal(2, code);
        Assert.Contains(problem, output, StringComparison.Ordinal);
    }
}
