using System.Net;
using System.Text.Json.Nodes;
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
        await using var stage = await ManagedStage.StartAsync(o => (o.StrictModel, o.ControlPlane.DescribeIntervalSecs) = (true, 1));
        var pair = await PairAsync(stage, "base");
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync(stage, "poet"));

        var (status, loaded) = await stage.CallAsync("POST", "/load_lora_adapter", new JsonObject { ["lora_name"] = "poet", ["lora_path"] = "/lora/poet" });
        Assert.True(status == 200, loaded.ToJsonString());
        await ManagedStage.UntilAsync(
            () => stage.Gateway.ControlPlane.Fleet.Workers.All(w => w.Facts.AdapterNames == "poet"), "both engines tell their adapter");

        // An engine refuses an adapter that it does not have, so 200 says which one it was asked for; the base name asks for none.
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "poet"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "base:poet"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(stage, "base"));
        Assert.Equal("base", (string)(await stage.CallAsync("GET", "/v1/models/poet")).Body["parent"]!);
        await pair.Decode.RestartAsync(ManagedStage.Token);
        Assert.NotEqual(HttpStatusCode.OK, await AskAsync(stage, "poet"));
    }

    [Fact]
    public async Task An_embedding_engine_beside_pairs_becomes_ready_and_serves_what_pairs_cannot()
    {
        await using var stage = await ManagedStage.StartAsync();
        await PairAsync(stage, "chat");
        var (embedder, e) = await stage.WorkerAsync(EngineRole.Regular, o => o with { ServedModelName = "vectors", IsEmbedding = true });
        await stage.ReadyAsync(e);

        var (status, answer) = await stage.CallAsync("POST", "/v1/embeddings", new JsonObject { ["model"] = "vectors", ["input"] = "x" });
        Assert.Equal((200, 1), (status, answer["data"]!.AsArray().Count));
        var (ranked, order) = await stage.CallAsync(
            "POST", "/v1/rerank", new JsonObject { ["model"] = "vectors", ["query"] = "q", ["documents"] = new JsonArray("a", "b", "c") });
        Assert.Equal((200, 3), (ranked, order["results"]!.AsArray().Count));
        Assert.Equal(200, (await stage.CallAsync("POST", "/v1/score", new JsonObject { ["model"] = "vectors", ["input"] = "x" })).Status);
        Assert.Equal(200, (await stage.CallAsync("POST", "/v1/classify", new JsonObject { ["model"] = "vectors", ["input"] = "x" })).Status);
        var (wrong, error) = await stage.CallAsync("POST", "/v1/embeddings", new JsonObject { ["model"] = "chat", ["input"] = "x" });
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
        Assert.Equal(HttpStatusCode.BadGateway, none.StatusCode);
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
        using var response = await stage.SendAsync("POST", "/v1/chat/completions", Chat.Replace("MODEL", model, StringComparison.Ordinal));
        return response.StatusCode;
    }
}
