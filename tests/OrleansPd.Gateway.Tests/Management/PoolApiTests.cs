using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Management;

/// <summary><c>/pools</c>: what pools there are, how large they should be, and what is refused.</summary>
public sealed class PoolApiTests
{
    [Fact]
    public async Task A_pool_is_scaled_told_and_measured()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode);
        await stage.ReadyAsync(p, d);
        var (status, scaled) = await stage.CallAsync("PUT", "/pools/decode/-", JsonNode.Parse("""{"wanted":3}"""));
        Assert.Equal(200, status);
        Assert.Equal("""{"pool":"decode/-","role":"decode","model":null,"wanted":3,"present":1,"ready":1,"draining":0,"missing":2,"surplus":0,"drained":[]}""",
            scaled.ToJsonString());
        Assert.Equal(200, (await stage.CallAsync(
            "PUT", "/pools/prefill/org%2Fmodel \"x", JsonNode.Parse("""{"wanted":2}"""))).Status);
        Assert.Equal(200, (await stage.CallAsync("PUT", "/pools/prefill/org/plain", JsonNode.Parse("""{"wanted":0}"""))).Status);
        var (_, list) = await stage.CallAsync("GET", "/pools");
        Assert.Equal(["prefill/-", "prefill/org/model \"x", "prefill/org/plain", "decode/-"], list["pools"]!.AsArray()
            .Select(pool => (string)pool!["pool"]!));
        Assert.Equal(4, (int)list["total"]!);
        Assert.Null(list["pools"]![0]!["wanted"]);

        using var response = await stage.SendAsync("GET", "/metrics");
        var metrics = (await response.Content.ReadAsStringAsync(ManagedStage.Token)).Split('\n');
        Assert.Contains("""orleanspd_gateway_pool_wanted{role="decode",model="-"} 3""", metrics);
        Assert.Contains("""orleanspd_gateway_pool_ready{role="decode",model="-"} 1""", metrics);
        Assert.Contains("""orleanspd_gateway_pool_present{role="prefill",model="org/model \"x"} 0""", metrics);
        Assert.Contains("""orleanspd_gateway_pool_wanted{role="prefill",model="org/plain"} 0""", metrics);
        Assert.DoesNotContain(metrics, line =>
            line.StartsWith("""orleanspd_gateway_pool_wanted{role="prefill",model="-"}""", StringComparison.Ordinal));

        Assert.Null((await stage.CallAsync("PUT", "/pools/decode/-", JsonNode.Parse("""{"wanted":null}"""))).Body["wanted"]);
    }

    [Fact]
    public async Task Surplus_is_drained_only_where_that_is_said()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, first) = await stage.WorkerAsync(EngineRole.Regular);
        var (_, second) = await stage.WorkerAsync(EngineRole.Regular);
        await stage.ReadyAsync(first, second);
        var (_, kept) = await stage.CallAsync("PUT", "/pools/regular/-", JsonNode.Parse("""{"wanted":1}"""));
        Assert.Equal((1, 2), ((int)kept["surplus"]!, (int)kept["ready"]!));
        var (_, drained) = await stage.CallAsync(
            "PUT", "/pools/regular/-", JsonNode.Parse("""{"wanted":1,"drain_surplus":true}"""));
        Assert.Equal([second], drained["drained"]!.AsArray().Select(id => (string)id!));
        await stage.UntilAsync(second, w => (bool)w["safe_to_kill"]!);
        Assert.Equal("ready", (string)(await stage.WorkerAsync(first))["phase"]!);
    }

    [Theory]
    [InlineData("/pools/decode/-", """{"wanted":-1}""", "'wanted'")]
    [InlineData("/pools/decode/-", """{"wanted":10001}""", "'wanted'")]
    [InlineData("/pools/decode/-", """{"wanted":"3"}""", "'wanted'")]
    [InlineData("/pools/decode/-", """{"wanted":1.5}""", "'wanted'")]
    [InlineData("/pools/decode/-", """{}""", "'wanted'")]
    [InlineData("/pools/decode/-", """[]""", "JSON object")]
    [InlineData("/pools/decode/-", "", "JSON object")]
    [InlineData("/pools/decode/-", """{"wanted":1,"drain":true}""", "'drain' is not a known member")]
    [InlineData("/pools/decode/-", """{"wanted":1,"drain_surplus":1}""", "'drain_surplus'")]
    [InlineData("/pools/decode/-", """{"wanted":null,"drain_surplus":true}""", "'drain_surplus' needs")]
    [InlineData("/pools/both/-", """{"wanted":1}""", "The path must be /pools/{role}/{model}")]
    [InlineData("/pools/decode", """{"wanted":1}""", "The path must be /pools/{role}/{model}")]
    [InlineData("/pools/decode/%20", """{"wanted":1}""", "The model must be")]
    [InlineData("/pools/decode/a%0Ab", """{"wanted":1}""", "The model must be")]
    public async Task Nonsense_is_refused_with_the_reason_and_changes_nothing(string path, string body, string says)
    {
        await using var stage = await ManagedStage.StartAsync();
        Assert.Equal(200, (await stage.CallAsync("PUT", "/pools/decode/-", JsonNode.Parse("""{"wanted":4}"""))).Status);
        var (_, before) = await stage.CallAsync("GET", "/pools");
        using var response = await stage.SendAsync("PUT", path, body);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(ManagedStage.Token))!;
        Assert.Equal((400, "BAD_REQUEST"), ((int)response.StatusCode, (string)answer["code"]!));
        Assert.Contains(says, (string)answer["error"]!);
        Assert.Equal(before.ToJsonString(), (await stage.CallAsync("GET", "/pools")).Body.ToJsonString());
    }
}
