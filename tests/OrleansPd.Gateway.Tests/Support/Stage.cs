using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Net.Http1;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Support;

/// <summary>Engines and a gateway in front of them, all with real sockets on free ports, and a client.</summary>
internal sealed class Stage : IAsyncDisposable
{
    private static readonly AsyncLocal<UpstreamKind?> Upstream = new();
    private static readonly UpstreamKind OfAll = Enum.TryParse<UpstreamKind>(
        Environment.GetEnvironmentVariable("ORLEANSPD_TEST_UPSTREAM"), true, out var kind) ? kind : default;
    private readonly List<SimulatedEngine> _engines = [];

    private Stage(FixedControlPlane controlPlane)
    {
        ControlPlane = controlPlane;
    }

    /// <summary>
    /// The client that speaks to engines. Set it in the constructor of a test class; for all tests of a run it is what the
    /// environment's ORLEANSPD_TEST_UPSTREAM says, direct or handler.
    /// </summary>
    public static UpstreamKind DefaultUpstream
    {
        get => Upstream.Value ?? OfAll;
        set => Upstream.Value = value;
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public FixedControlPlane ControlPlane { get; }

    public GatewayServer Gateway { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public IReadOnlyList<SimulatedEngine> Engines => _engines;

    public IEnumerable<SimulatedEngine> Prefill => _engines.Where(e => e.Options.Role == EngineRole.Prefill);

    public IEnumerable<SimulatedEngine> Decode => _engines.Where(e => e.Options.Role == EngineRole.Decode);

    public static async Task<Stage> StartAsync(
        int prefill = 1, int decode = 1, int prefillDp = 1, int decodeDp = 1, GatewayOptions? options = null,
        Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine = null, int regular = 0)
    {
        var engines = new List<SimulatedEngine>();
        foreach (var (role, count, dp) in new[]
        {
            (EngineRole.Prefill, prefill, prefillDp), (EngineRole.Decode, decode, decodeDp), (EngineRole.Regular, regular, 1),
        })
        {
            for (var i = 0; i < count; i++)
            {
                var engineOptions = new SimulatedEngineOptions
                {
                    Role = role,
                    DpSize = dp,
                    Speed = 0,
                    // Below the defaults, so that what real engines do after seconds is seen at once.
                    DisconnectPoll = TimeSpan.FromMilliseconds(50),
                    HeartbeatInterval = TimeSpan.FromSeconds(2),
                };
                engines.Add(await SimulatedEngine.StartAsync(engine?.Invoke(engineOptions) ?? engineOptions, ct: Token));
            }
        }
        var stage = new Stage(new FixedControlPlane([.. engines]));
        stage._engines.AddRange(engines);
        options ??= new GatewayOptions();
        options.Upstream = DefaultUpstream;
        // The reference all the way: its own sockets on both sides.
        options.Transport = options.Upstream == UpstreamKind.Handler ? TransportKind.Sockets : options.Transport;
        options.Host = "127.0.0.1";
        options.Port = 0;
        stage.Gateway = await GatewayServer.StartAsync(options, stage.ControlPlane, cancellationToken: Token);
        stage.Client = new HttpClient { BaseAddress = stage.Gateway.Url, Timeout = TimeSpan.FromSeconds(60) };
        return stage;
    }

    public Task<HttpResponseMessage> PostAsync(
        string path, string body, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead) =>
        PostAsync(Client, path, body, completion);

    public async Task<HttpResponseMessage> PostAsync(
        HttpClient client, string path, string body, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, path)
        { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        return await client.SendAsync(request, completion, Token);
    }

    /// <summary>Posts and expects 200 with JSON.</summary>
    public async Task<JsonNode> AskAsync(string path, string body)
    {
        using var response = await PostAsync(path, body);
        var text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode}: {text}");
        return JsonNode.Parse(text)!;
    }

    /// <summary>Posts and expects an event stream that ends with [DONE]; returns the events before it.</summary>
    public async Task<List<JsonNode>> StreamAsync(string path, string body)
    {
        using var response = await PostAsync(path, body, HttpCompletionOption.ResponseHeadersRead);
        var text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return Events(text);
    }

    public static List<JsonNode> Events(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        // SGLang's clients take every line that is not empty for "data: " and JSON.
        Assert.All(lines, line => Assert.StartsWith("data: ", line));
        Assert.Equal("data: [DONE]", lines[^1]);
        Assert.Single(lines, line => line == "data: [DONE]");
        return [.. lines[..^1].Select(line => JsonNode.Parse(line["data: ".Length..])!)];
    }

    /// <summary>Waits until nothing is left of any request: legs, leases, engines' queues.</summary>
    public async Task EmptyAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        while (Leftovers() is { } left)
        {
            Assert.False(limit.IsCancellationRequested, "left over after 15 s: " + left);
            await Task.Yield();
        }
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, "the condition did not come true within 15 s");
            await Task.Yield();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Gateway.DisposeAsync();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }

    private string? Leftovers()
    {
        var legs = (ControlPlane.OpenLegs, Gateway.Dispatcher.OpenPrefillLegs, Gateway.Dispatcher.OpenDecodeLegs,
            Gateway.Metrics.Active);
        var live = string.Join(", ", _engines.Where(e => e.IsAlive && e.Stats.LiveRequests > 0).Select(e =>
            $"{e.Options.Role}: {e.Stats.LiveRequests} (running {e.Stats.Running}, waiting {e.Stats.Waiting}, bootstrap "
                + $"{e.Stats.BootstrapQueue}, "
            + $"prealloc {e.Stats.PreallocQueue}, transfer {e.Stats.TransferQueue}, inflight {e.Stats.InflightQueue}, aborted "
            + $"{e.Stats.AbortedTotal})"));
        return legs == (0, 0, 0, 0) && live.Length == 0 ? null : $"legs {legs}, engines {live}";
    }
}
