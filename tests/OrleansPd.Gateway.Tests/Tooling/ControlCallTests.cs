using System.Text.Json.Nodes;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Tooling;

/// <summary>
/// SGLang's control calls on the gateway: every engine of both pools gets them, and each one's answer comes back.
/// </summary>
public sealed class ControlCallTests
{
    [Theory]
    [InlineData("POST", "/update_weights_from_distributed", """{"names":[],"dtypes":[],"shapes":[],"group_name":"g"}""")]
    [InlineData("POST", "/update_weights_from_tensor", """{"serialized_named_tensors":[]}""")]
    [InlineData("POST", "/update_weights_from_ipc", """{"zmq_handles":{}}""")]
    [InlineData("POST", "/update_weight_version", """{"new_version":"7"}""")]
    [InlineData("POST", "/destroy_weights_update_group", """{"group_name":"g"}""")]
    [InlineData("POST", "/release_memory_occupation", """{"tags":["kv_cache"]}""")]
    [InlineData("GET", "/release_memory_occupation", null)]
    [InlineData("POST", "/resume_memory_occupation", null)]
    [InlineData("GET", "/slow_down", null)]
    [InlineData("PUT", "/set_internal_state", """{"server_args":{}}""")]
    public async Task Each_engine_of_both_pools_gets_the_call(string method, string path, string? body)
    {
        await using var stage = await Stage.StartAsync(2, 2, regular: 1);

        var (status, answer) = await CallAsync(stage, method, path, body);

        Assert.Equal((200, true, "ok", 5), (
            status, (bool)answer["success"]!, (string)answer["status"]!, (int)answer["total_workers"]!));
        Assert.All(stage.Engines, engine => Assert.Equal([path], engine.Stats.ControlCalls));
        Assert.All(answer["results"]!.AsArray(), result => Assert.True((bool)result!["body"]!["success"]!));
        Assert.Equal(["decode", "decode", "prefill", "prefill", "regular"], answer["results"]!.AsArray()
            .Select(r => (string)r!["worker_type"]!).Order());
    }

    [Theory]
    [InlineData("/pause_generation", """{"mode":"in_place"}""")]
    [InlineData("/continue_generation", null)]
    [InlineData("/start_profile", null)]
    [InlineData("/stop_profile", null)]
    [InlineData("/abort_request", """{"rid":"nobody"}""")]
    [InlineData("/flush_cache", null)]
    public async Task Some_failed_is_206_with_each_ones_own_words(string path, string? body)
    {
        await using var stage = await Stage.StartAsync(1, 2);
        var dead = stage.Decode.First();
        await dead.KillAsync();

        var (status, answer) = await CallAsync(stage, "POST", path, body);

        Assert.Equal((206, false, "partial"), (status, (bool)answer["success"]!, (string)answer["status"]!));
        Assert.Equal(2, answer["successful"]!.AsArray().Count);
        var failed = Assert.Single(answer["failed"]!.AsArray())!;
        Assert.Equal(dead.Url.GetLeftPart(UriPartial.Authority), (string)failed[0]!);
        Assert.NotEmpty((string)failed[1]!);
    }

    [Fact]
    public async Task Where_all_refuse_alike_their_status_is_the_answer()
    {
        await using var stage = await Stage.StartAsync();

        var (status, answer) = await CallAsync(stage, "POST", "/update_weights_from_disk", """{"wrong":1}""");

        Assert.Equal((400, false), (status, (bool)answer["success"]!));
        Assert.Contains("model_path", (string)answer["failed"]![0]![1]!);
    }

    [Fact]
    public async Task Where_none_answers_it_is_502_and_with_no_engine_503()
    {
        await using var stage = await Stage.StartAsync();
        foreach (var engine in stage.Engines)
            await engine.KillAsync();
        Assert.Equal(502, (await CallAsync(stage, "POST", "/continue_generation", null)).Status);
        Assert.Equal(503, (await CallAsync(stage, "POST", "/continue_generation?role=regular", null)).Status);
    }

    [Fact]
    public async Task A_role_or_a_worker_can_be_named()
    {
        await using var stage = await Stage.StartAsync(2, 1);
        var one = stage.Prefill.First();

        await CallAsync(stage, "POST", "/slow_down?role=decode", null);
        await CallAsync(stage, "POST", $"/set_internal_state?worker={Uri.EscapeDataString(one.Url.ToString())}", "{}");

        Assert.Equal(["/slow_down"], stage.Decode.Single().Stats.ControlCalls);
        Assert.Equal(["/set_internal_state"], one.Stats.ControlCalls);
        Assert.Empty(stage.Prefill.Last().Stats.ControlCalls);
        Assert.Equal(400, (await CallAsync(stage, "POST", "/slow_down?role=both", null)).Status);
        Assert.Equal(400, (await CallAsync(stage, "POST", "/slow_down?role=1", null)).Status);
        Assert.Equal(400, (await CallAsync(stage, "POST", "/slow_down?worker=nobody", null)).Status);
    }

    [Fact]
    public async Task Joining_an_update_group_goes_to_one_engine_at_a_time()
    {
        const string body = """{"master_address":"10.0.0.1","master_port":1,"rank_offset":1,"world_size":3,"group_name":"g"}""";
        await using var stage = await Stage.StartAsync();

        var (status, refused) = await CallAsync(stage, "POST", "/init_weights_update_group", body);
        Assert.Equal(400, status);
        Assert.Contains("rank_offset", (string)refused["error"]!);
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.ControlCalls));

        foreach (var engine in stage.Engines)
            Assert.Equal(200, (await CallAsync(stage, "POST", $"/init_weights_update_group?worker={engine.Url}", body)).Status);
        Assert.All(stage.Engines, engine => Assert.Single(engine.Stats.ControlCalls));
    }

    [Fact]
    public async Task New_weights_change_the_engines_name_and_part_no_pair()
    {
        await using var stage = await ManagedStage.StartAsync(o => o.ControlPlane.DescribeIntervalSecs = 1);
        var (prefill, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode);
        await stage.ReadyAsync(p, d);

        var (status, answer) = await stage.CallAsync(
            "POST", "/update_weights_from_disk", new JsonObject { ["model_path"] = "sim/step-8" });

        Assert.Equal((200, true), (status, (bool)answer["success"]!));
        // Long enough for one of the two to have been read with its new name, and then the other.
        var version = stage.Gateway.ControlPlane.Fleet.Version;
        var reads = (prefill.Stats.InfoCalls, decode.Stats.InfoCalls);
        await ManagedStage.UntilAsync(
            () => prefill.Stats.InfoCalls > reads.Item1 + 1 && decode.Stats.InfoCalls > reads.Item2 + 1, "facts read again");
        Assert.NotEmpty(await stage.GenerateAsync());
        Assert.Equal(["sim"], stage.Gateway.ControlPlane.Fleet.Models.ToArray());
        Assert.True(stage.Gateway.ControlPlane.Fleet.IsReady, $"{version}: {stage.Gateway.ControlPlane.Fleet.WhyNotReady}");
    }

    [Theory]
    [InlineData("POST", "/pause_generation")]
    [InlineData("POST", "/abort_request")]
    [InlineData("POST", "/update_weights_from_disk")]
    [InlineData("POST", "/load_lora_adapter")]
    [InlineData("GET", "/start_profile")]
    [InlineData("POST", "/flush_cache")]
    [InlineData("POST", "/route_pd")]
    [InlineData("DELETE", "/route_pd/1")]
    public async Task What_changes_engines_needs_the_admin_key(string method, string path)
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { AdminApiKey = "queen" });

        Assert.Equal(401, (await CallAsync(stage, method, path, "{}")).Status);
        Assert.Equal(401, (await CallAsync(stage, method, path, "{}", "pawn")).Status);
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.ControlCalls));
        Assert.NotEqual(401, (await CallAsync(stage, method, path, "{}", "queen")).Status);
    }

    [Fact]
    public async Task Engines_that_quote_their_key_are_not_quoted()
    {
        await using var stage = await Stage.StartAsync(engine: o => o with { ApiKey = "s3cret" });

        var (status, answer) = await CallAsync(stage, "POST", "/update_weight_version", """{"s3cret":1}""");

        Assert.Equal(400, status);
        Assert.DoesNotContain("s3cret", answer.ToJsonString());
    }

    internal static async Task<(
        int Status, JsonNode Body)> CallAsync(Stage stage, string method, string path, string? body, string? key = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Content = body is null ? null : new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        if (key is not null)
            request.Headers.Add("Authorization", "Bearer " + key);
        using var response = await stage.Client.SendAsync(request, Stage.Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!);
    }
}
