using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>What the tests of this folder share: the gateway where SGLang's suites put their router, and calls past it.</summary>
internal static class Suite
{
    /// <summary>Engines fast enough to wait for, slow enough to be caught at work: a token takes some 2 ms.</summary>
    public static Task<LiveStage> StartAsync(
        int prefill = 1, int decode = 1, double speed = 10, Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine = null,
        GatewayOptions? options = null) =>
        LiveStage.StartAsync(prefill, decode, options ?? new GatewayOptions(), o =>
        {
            var plain = o with { Speed = speed, DisconnectPoll = TimeSpan.FromMilliseconds(100) };
            return engine?.Invoke(plain) ?? plain;
        });

    /// <summary>A call straight to an engine, as the suites make theirs.</summary>
    public static async Task<(int Status, string Text)> PastAsync(SimulatedEngine engine, string path, string body = "{}")
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
        using var response = await client.PostAsync(new Uri(engine.Url, path), Json(body), LiveStage.Token);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(LiveStage.Token));
    }

    public static async Task<(int Status, JsonNode Body)> PostAsync(LiveStage stage, string path, string body)
    {
        using var response = await stage.Client.PostAsync(new Uri(path, UriKind.Relative), Json(body), LiveStage.Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(LiveStage.Token))!);
    }

    public static async Task<JsonNode> GoodAsync(LiveStage stage, string path, string body)
    {
        var (status, answer) = await PostAsync(stage, path, body);
        Assert.True(status == 200, $"{status}: {answer}");
        return answer;
    }

    public static async Task<List<JsonNode>> StreamAsync(LiveStage stage, string path, string body)
    {
        using var response = await stage.Client.PostAsync(new Uri(path, UriKind.Relative), Json(body), LiveStage.Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return Stage.Events(await response.Content.ReadAsStringAsync(LiveStage.Token));
    }

    public static string Generate(string text, int tokens, string more = "") =>
        $$"""{"text":"{{text}}","sampling_params":{"max_new_tokens":{{tokens}},"temperature":0,"ignore_eos":true}{{more}}}""";

    public static Task IdleAsync(LiveStage stage) => LiveStage.UntilAsync(
        () => stage.Prefill.Concat(stage.Decode).All(e => e.Stats.LiveRequests == 0)
            && stage.Gateway.Dispatcher is { OpenPrefillLegs: 0, OpenDecodeLegs: 0, LiveRequests.Count: 0 },
        TimeSpan.FromSeconds(30));

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");
}
