using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace OrleansPd.Simulator.Tests;

/// <summary>A prefill and a decode engine, and the router's part: same body to both, with room and address.</summary>
internal sealed class Pair : IAsyncDisposable
{
    private long _lastRoom = 1_000_000;

    private Pair(SimulatedEngine prefill, SimulatedEngine decode)
    {
        Prefill = prefill;
        Decode = decode;
    }

    public static HttpClient Http { get; } = new(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromSeconds(2) })
    {
        Timeout = TimeSpan.FromSeconds(20),
    };

    public SimulatedEngine Prefill { get; }

    public SimulatedEngine Decode { get; }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static SimulatedEngineOptions Fast(EngineRole role) => new()
    {
        Role = role,
        Speed = 0,
        DisconnectPoll = TimeSpan.FromMilliseconds(20),
    };

    public static async Task<Pair> StartAsync(
        Func<SimulatedEngineOptions, SimulatedEngineOptions>? prefill = null,
        Func<SimulatedEngineOptions, SimulatedEngineOptions>? decode = null)
    {
        var p = Fast(EngineRole.Prefill);
        var d = Fast(EngineRole.Decode);
        return new Pair(
            await SimulatedEngine.StartAsync(prefill is null ? p : prefill(p), null, Ct),
            await SimulatedEngine.StartAsync(decode is null ? d : decode(d), null, Ct));
    }

    public long NextRoom() => Interlocked.Increment(ref _lastRoom);

    /// <summary>The members that join the legs.</summary>
    public JsonObject Join(JsonObject body, long? room = null)
    {
        var joined = (JsonObject)body.DeepClone();
        joined["bootstrap_host"] = Prefill.Options.Host;
        joined["bootstrap_port"] = Prefill.BootstrapPort;
        joined["bootstrap_room"] = room ?? NextRoom();
        return joined;
    }

    public async Task<(Reply Prefill, Reply Decode)> BothAsync(string path, JsonObject body, long? room = null)
    {
        var joined = Join(body, room);
        return await BothAsync(path, joined, joined);
    }

    public async Task<(Reply Prefill, Reply Decode)> BothAsync(string path, JsonObject prefill, JsonObject decode)
    {
        var p = SendAsync(Prefill, path, prefill);
        var d = SendAsync(Decode, path, decode);
        return (await p, await d);
    }

    public static Task<Reply> SendAsync(SimulatedEngine engine, string path, JsonObject body, CancellationToken? ct = null) =>
        SendAsync(engine, HttpMethod.Post, path, body, null, ct);

    public static async Task<Reply> SendAsync(
        SimulatedEngine engine, HttpMethod method, string path, JsonObject? body =
            null, string? key = null, CancellationToken? ct = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(engine.Url, path));
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        if (key is not null)
            request.Headers.Authorization = new("Bearer", key);
        using var response = await Http.SendAsync(request, ct ?? Ct);
        return new Reply(response.StatusCode, await response.Content.ReadAsStringAsync(ct ?? Ct));
    }

    public async ValueTask DisposeAsync()
    {
        await Prefill.DisposeAsync();
        await Decode.DisposeAsync();
    }
}

internal sealed record Reply(HttpStatusCode Status, string Body)
{
    public JsonNode Json => JsonNode.Parse(Body)!;

    /// <summary>The data of every event but the end mark.</summary>
    public IReadOnlyList<JsonNode> Events
    {
        get
        {
            var frames = Body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal("data: [DONE]", frames[^1]);
            return [.. frames[..^1].Select(frame => JsonNode.Parse(frame["data: ".Length..])!)];
        }
    }

    public string Text => (string)Json["text"]!;

    public string FinishType => (string)Json["meta_info"]!["finish_reason"]!["type"]!;
}

internal static class Until
{
    /// <summary>Waits for a state that must come; the polling is the test's own, bounded by its token.</summary>
    public static async Task TrueAsync(Func<bool> condition, string expected)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Pair.Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(10));
        while (!condition())
        {
            if (limit.IsCancellationRequested)
                Assert.Fail($"Never came: {expected}");
            await Task.Delay(2, CancellationToken.None);
        }
    }
}
