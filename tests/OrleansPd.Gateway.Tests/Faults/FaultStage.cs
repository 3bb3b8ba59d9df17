using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>
/// A gateway with its own control plane before simulated engines, set so that a fault tells what it did:
/// <list type="bullet">
/// <item>the first engine of each role gets the first attempt, so that the test knows whom to strike;</item>
/// <item>one failure opens a breaker for good, so that "charged" can be read from the fleet;</item>
/// <item>engines hardly ever look for clients that have left, so that what is free was freed by the gateway's abort.</item>
/// </list>
/// </summary>
internal sealed class FaultStage : IAsyncDisposable
{
    public const string Prompt = "The capital of France";
    public static readonly string Good = ReferenceModel.Complete(Prompt, 24, new Sampling { IgnoreEos = true });
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly LiveStage _live;
    private readonly Dictionary<SimulatedEngine, long> _before = [];
    private int _asked;

    private FaultStage(LiveStage live)
    {
        _live = live;
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public GatewayServer Gateway => _live.Gateway;

    public EmbeddedControlPlane Plane => (EmbeddedControlPlane)Gateway.ControlPlane;

    public HttpClient Client => _live.Client;

    public SimulatedEngine[] Engines => [.. _live.Prefill, .. _live.Decode];

    /// <summary>The prefill that gets the first attempt.</summary>
    public SimulatedEngine Prefill => _live.Prefill[0];

    /// <summary>The decode that gets the first attempt.</summary>
    public SimulatedEngine Decode => _live.Decode[0];

    /// <summary>The workers whose breaker is open: those that were charged.</summary>
    public IEnumerable<SimulatedEngine> Charged => Engines.Where(e => SnapshotOf(e).Phase == WorkerPhase.Broken);

    public static async Task<FaultStage> StartAsync(
        int prefill = 1, int decode =
            1, Action<GatewayOptions>? gateway = null, Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine = null)
    {
        var control = new ControlPlaneOptions
        {
            Policy = "least_load",
            CbFailureThreshold = 1,
            CbTimeoutDurationSecs = 3600,
            HealthIntervalSecs = 0,
            LoadIntervalSecs = 0,
            PrefillRestartHoldSecs = 0,
        };
        var options = new GatewayOptions { ControlPlane = control, Upstream = Stage.DefaultUpstream };
        gateway?.Invoke(options);
        var stage = new FaultStage(await LiveStage.StartAsync(prefill, decode, options, Engine, priority: true));
        await stage.FreeAsync();
        foreach (var started in stage.Engines)
            stage._before[started] = started.Stats.RequestsTotal;
        return stage;

        SimulatedEngineOptions Engine(SimulatedEngineOptions o)
        {
            var slow = o with { Speed = 0, DisconnectPoll = TimeSpan.FromHours(1) };
            return engine?.Invoke(slow) ?? slow;
        }
    }

    /// <summary>A native body of 24 tokens.</summary>
    public static string Body(bool stream = false, int tokens = 24, string more = "", string prompt = Prompt) =>
        $$"""{"text":"{{prompt}}","sampling_params":{"max_new_tokens":{{tokens}},"ignore_eos":true},"stream":{{(stream ? "true" : "false")}}{{more}}}""";

    public WorkerSnapshot SnapshotOf(SimulatedEngine engine) => _live.SnapshotOf(engine);

    /// <summary>Requests that reached the engine since the stage was ready.</summary>
    public long Requests(SimulatedEngine engine) => engine.Stats.RequestsTotal - _before[engine];

    public async Task<Reply> PostAsync(string path, string body)
    {
        await using var pending = Send(path, body);
        return await pending.ReplyAsync();
    }

    /// <summary>Posts and comes back at once.</summary>
    public Pending Send(string path, string body)
    {
        var id = $"fault-{Interlocked.Increment(ref _asked)}";
        var request = new HttpRequestMessage(
            HttpMethod.Post, path)
        { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("x-request-id", id);
        return new Pending(Client, request, id);
    }

    /// <summary>What the gateway kept about a request, read as an operator would.</summary>
    public async Task<Told> ToldAsync(string id)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            using var response = await Client.GetAsync($"/debug/requests/{id}", Token);
            if (response.IsSuccessStatusCode)
                return new Told(JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!["calls"]![0]!);
            // The record is written when the answer is out, a moment after the client has read it.
            Assert.True(clock.Elapsed < Patience, $"no record of {id}");
            await Task.Yield();
        }
    }

    /// <summary>Waits until nothing is left of any request on the gateway and on the engines.</summary>
    /// <returns>The time since then.</returns>
    public async Task<TimeSpan> FreeAsync(long since = 0)
    {
        var clock = Stopwatch.StartNew();
        while (Left() is { } left)
        {
            Assert.True(clock.Elapsed < Patience, $"left over after {Patience.TotalSeconds} s: {left}");
            await Task.Yield();
        }
        var took = Stopwatch.GetElapsedTime(since);
        Assert.All(Engines.Where(e => e.IsAlive), e => Assert.Empty(e.Stats.RouterErrors));
        return took;
    }

    public static Task UntilAsync(Func<bool> condition) => LiveStage.UntilAsync(condition, Patience);

    public ValueTask DisposeAsync() => _live.DisposeAsync();

    private string? Left()
    {
        var gateway = (Gateway.Dispatcher.OpenPrefillLegs, Gateway.Dispatcher.OpenDecodeLegs, Gateway.Metrics.Active,
            Plane.Leases, Plane.Rooms.Pinned);
        var engines = Engines.Where(e => e.IsAlive && (e.Stats.LiveRequests > 0 || e.Stats.Occupied > 0)).ToArray();
        return gateway == (0, 0, 0, 0, 0) && engines.Length == 0
            ? null
            : $"legs, requests, leases, rooms {gateway}; " + string.Join(", ", engines.Select(e =>
                $"{e.Options.Role} {e.Stats.LiveRequests} requests, {e.Stats.Occupied} slots"));
    }
}
