using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests;

/// <summary>Several models behind one gateway, by name, by alias, by LoRA adapter; and models that do not generate.</summary>
public sealed class ModelNameTests
{
    private const string Chat = """{"model":"MODEL","max_tokens":4,"messages":[{"role":"user","content":"Hi"}]}""";

    [Fact]
    public async Task Each_model_has_its_own_pools_and_is_found_by_name_and_alias()
    {
        await using var stage = await ManagedStage.StartAsync(o => o.ModelAlias.Add("small = b"));
        var a = await PairAsync(stage, "a");
        var b = await PairAsync(stage, "b");

        foreach (var (name, pair, other) in new[] { ("a", a, b), ("b", b, a), ("small", b, a) })
        {
            var (before, idle) = (pair.Decode.Stats.RequestsTotal, other.Decode.Stats.RequestsTotal);
            Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, name));
            Assert.Equal((before + 1, idle), (pair.Decode.Stats.RequestsTotal, other.Decode.Stats.RequestsTotal));
        }
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync(stage, "c"));
        var (_, models) = await stage.CallAsync("GET", "/v1/models");
        Assert.Equal(["a", "b", "small"], models["data"]!.AsArray().Select(card => (string)card!["id"]!));
        Assert.Equal("b", (string)(await stage.CallAsync("GET", "/v1/models/small")).Body["root"]!);
    }

    [Fact]
    public async Task An_adapter_that_engines_have_loaded_is_a_model_of_its_own_name()
    {
        await using var stage = await ManagedStage.StartAsync(o =>
        {
            (o.StrictModel, o.ControlPlane.DescribeIntervalSecs, o.ControlPlane.ReturnWaitSecs) = (true, 3600, 0);
            o.ModelAlias.Add("verse=base:poet");
            o.ModelAlias.Add("rhyme=poet");
        });
        var pair = await PairAsync(stage, "base");
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync(stage, "poet"));

        await LoadAsync(stage, "poet");

        // An engine refuses an adapter that it does not have, so 200 says which one it was asked for; the base name asks for
        // none.
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "poet"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "base:poet"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "base"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "verse"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "rhyme"));
        var (_, models) = await stage.CallAsync("GET", "/v1/models");
        Assert.Equal(["base", "rhyme", "verse", "poet"], models["data"]!.AsArray().Select(card => (string)card!["id"]!));
        Assert.Equal("base", (string)(await stage.CallAsync("GET", "/v1/models/poet")).Body["parent"]!);
        await pair.Decode.RestartAsync(ManagedStage.Token);
        Assert.NotEqual(HttpStatusCode.OK, await AskAsync(stage, "poet"));
    }

    [Fact]
    public async Task Requests_with_an_adapter_go_only_to_engines_that_have_it_now()
    {
        await using var stage = await ManagedStage.StartAsync(
            o => (o.ControlPlane.Policy, o.ControlPlane.DescribeIntervalSecs, o.RetryMaxRetries) = ("round_robin", 3600, 0));
        var first = await PairAsync(stage, "base");
        var second = await PairAsync(stage, "base");

        // An engine without the adapter answers 400: that all are good says that none was asked.
        await LoadAsync(stage, "poet", second.Prefill, second.Decode);
        await EachWayAsync("poet", good: true);
        await EachWayAsync("nobody", good: false);

        await LoadAsync(stage, "poet", first.Prefill, first.Decode);
        var (status, gone) = await stage.CallAsync(
            "POST", $"/unload_lora_adapter?worker={second.Prefill.Url}&worker={second.Decode.Url}",
            new JsonObject { ["lora_name"] = "poet" });
        Assert.True(status == 200, gone.ToJsonString());
        var (before, idle) = (first.Decode.Stats.CompletedTotal, second.Decode.Stats.RequestsTotal);
        await EachWayAsync("poet", good: true);
        Assert.Equal((before + 12, idle), (first.Decode.Stats.CompletedTotal, second.Decode.Stats.RequestsTotal));

        async Task EachWayAsync(string adapter, bool good)
        {
            var chat = Chat.Replace("MODEL", "base", StringComparison.Ordinal);
            var native = """{"text":"Hi","sampling_params":{"max_new_tokens":4}""";
            for (var i = 0; i < 4; i++)
            {
                foreach (var (path, body) in new[]
                {
                    ("/v1/chat/completions", Chat.Replace("MODEL", "base:" + adapter, StringComparison.Ordinal)),
                    ("/v1/chat/completions", chat[..^1] + $$""","lora_path":"{{adapter}}"}"""),
                    ("/generate", native + $$""","lora_path":"{{adapter}}"}"""),
                })
                {
                    using var response = await stage.SendAsync("POST", path, body);
                    var text = await response.Content.ReadAsStringAsync(ManagedStage.Token);
                    Assert.True(response.StatusCode == (good ? HttpStatusCode.OK : HttpStatusCode.BadRequest), $"{body}: {text}");
                }
            }
        }
    }

    [Fact]
    public async Task An_adapter_that_one_side_lacks_is_503_and_no_engine_is_asked()
    {
        await using var stage = await ManagedStage.StartAsync(o => o.ControlPlane.DescribeIntervalSecs = 3600);
        var pair = await PairAsync(stage, "base");
        await LoadAsync(stage, "poet", pair.Prefill);
        var before = (pair.Prefill.Stats.RequestsTotal, pair.Decode.Stats.RequestsTotal);

        var (status, error) = await stage.CallAsync(
            "POST", "/v1/chat/completions", JsonNode.Parse(Chat.Replace("MODEL", "base:poet", StringComparison.Ordinal)));

        Assert.Equal(503, status);
        Assert.Contains("No decode worker that has the LoRA adapter 'poet'", (string)error["error"]!["message"]!);
        Assert.Equal(before, (pair.Prefill.Stats.RequestsTotal, pair.Decode.Stats.RequestsTotal));
    }

    [Fact]
    public async Task Models_have_policies_of_their_own()
    {
        await using var stage = await ManagedStage.StartAsync(o => o.ControlPlane.ModelPolicy.Add("b=round_robin,random"));
        await PairAsync(stage, "a");
        await PairAsync(stage, "b");
        foreach (var (model, policies) in new[] { ("a", ("cache_aware", "least_load")), ("b", ("round_robin", "random")) })
        {
            Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, model));
            PairLease? lease = null;
            await ManagedStage.UntilAsync(
                () =>
                {
                    lease = stage.Gateway.Requests.Recent().FirstOrDefault()?.Calls[0].Attempts[0].Lease;
                    return lease?.Decode.Model == model;
                },
                "it is in the log");
            var why = lease!.RouteExplanation;
            Assert.Equal(policies, (why.PrefillPolicy, why.DecodePolicy));
        }
    }

    [Fact]
    public async Task An_embedding_engine_beside_pairs_becomes_ready_and_serves_what_pairs_cannot()
    {
        await using var stage = await ManagedStage.StartAsync();
        await PairAsync(stage, "chat");
        var (embedder, e) = await stage.WorkerAsync(
            EngineRole.Regular, o => o with { ServedModelName = "vectors", IsEmbedding = true });
        await stage.ReadyAsync(e);

        var (status, answer) = await stage.CallAsync(
            "POST", "/v1/embeddings", new JsonObject { ["model"] = "vectors", ["input"] = "x" });
        Assert.Equal((200, 1), (status, answer["data"]!.AsArray().Count));
        var (ranked, order) = await stage.CallAsync(
            "POST", "/v1/rerank",
            new JsonObject { ["model"] = "vectors", ["query"] = "q", ["documents"] = new JsonArray("a", "b", "c") });
        Assert.Equal((200, 3), (ranked, order["results"]!.AsArray().Count));
        Assert.Equal(200, (await stage.CallAsync(
            "POST", "/v1/score", new JsonObject { ["model"] = "vectors", ["input"] = "x" })).Status);
        Assert.Equal(200, (await stage.CallAsync(
            "POST", "/v1/classify", new JsonObject { ["model"] = "vectors", ["input"] = "x" })).Status);
        var (wrong, error) = await stage.CallAsync(
            "POST", "/v1/embeddings", new JsonObject { ["model"] = "chat", ["input"] = "x" });
        Assert.Equal(400, wrong);
        Assert.Contains("of the model 'chat'", (string)error["error"]!["message"]!);
        // The engine's own refusal goes through as it is.
        var (bad, words) = await stage.CallAsync("POST", "/v1/rerank", new JsonObject { ["model"] = "vectors" });
        Assert.Equal(400, bad);
        Assert.Contains("query", words.ToJsonString());
        Assert.DoesNotContain(embedder.Stats.RouterErrors, _ => true);
    }

    [Fact]
    public async Task A_regular_engine_that_is_gone_is_passed_over_for_another()
    {
        await using var stage = await Stage.StartAsync(0, 0, regular: 2);
        await stage.Engines[0].KillAsync();
        for (var i = 0; i < 4; i++)
        {
            using var response = await stage.PostAsync("/v1/embeddings", """{"model":"sim","input":"x"}""");
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
        await stage.Engines[1].KillAsync();
        using var none = await stage.PostAsync("/v1/embeddings", """{"model":"sim","input":"x"}""");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, none.StatusCode);
    }

    /// <summary>Loads it on these engines, or on all; what comes after can rely on it.</summary>
    private static async Task LoadAsync(ManagedStage stage, string adapter, params SimulatedEngine[] engines)
    {
        var query = string.Join('&', engines.Select(e => $"worker={Uri.EscapeDataString(e.Url.ToString())}"));
        var body = new JsonObject { ["lora_name"] = adapter, ["lora_path"] = "/lora/" + adapter };
        var (status, loaded) = await stage.CallAsync("POST", "/load_lora_adapter?" + query, body);
        Assert.True(status == 200, loaded.ToJsonString());
    }

    private static async Task<(SimulatedEngine Prefill, SimulatedEngine Decode)> PairAsync(ManagedStage stage, string model)
    {
        var (prefill, p) = await stage.WorkerAsync(EngineRole.Prefill, o => o with { ServedModelName = model });
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode, o => o with { ServedModelName = model });
        await stage.ReadyAsync(p, d);
        return (prefill, decode);
    }

    private static async Task<HttpStatusCode> AskAsync(ManagedStage stage, string model)
    {
        using var response = await stage.SendAsync(
            "POST", "/v1/chat/completions", Chat.Replace("MODEL", model, StringComparison.Ordinal));
        return response.StatusCode;
    }
}
