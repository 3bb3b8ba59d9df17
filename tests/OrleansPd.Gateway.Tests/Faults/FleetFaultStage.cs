using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>
/// Simulated engines, and a gateway whose time is the test's: breakers, holds, stalls and waits end when the test says so. The
/// engines, and how long a probe may take, keep real time.
/// </summary>
internal sealed class FleetFaultStage : IAsyncDisposable
{
    private readonly List<SimulatedEngine> _engines = [];
    private readonly GatewayOptions _options;
    private readonly IUpstream _upstream;
    private EmbeddedControlPlane _plane = null!;

    private FleetFaultStage(GatewayOptions options)
    {
        _options = options;
        _upstream = EngineClient.Of(options);
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public FakeTimeProvider Clock { get; } = new();

    public GatewayServer Gateway { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public FleetSnapshot Fleet => _plane.Fleet;

    public int Leases => _plane.Leases;

    public int Waiting => _plane.Waiting;

    public SimulatedEngine[] Prefill => [.. _engines.Where(e => e.Options.Role == EngineRole.Prefill)];

    public SimulatedEngine[] Decode => [.. _engines.Where(e => e.Options.Role == EngineRole.Decode)];

    /// <summary>Starts engines and the gateway; where <paramref name="ready"/>, comes back when all workers are.</summary>
    public static async Task<FleetFaultStage> StartAsync(
        int prefill, int decode, Action<GatewayOptions>? configure =
            null, Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine = null,
        Action<SimulatedEngine>? before = null, bool ready = true)
    {
        // Time stands still here, and a request that waits for a worker would wait for ever: who tests that sets the time it has.
        var plane = new ControlPlaneOptions { Policy = "least_load", ReturnWaitSecs = 0 };
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0, ControlPlane = plane };
        options.Upstream = Stage.DefaultUpstream;
        configure?.Invoke(options);
        var stage = new FleetFaultStage(options);
        for (var i = 0; i < prefill + decode; i++)
        {
            var plain = new SimulatedEngineOptions
            {
                Role = i < prefill ? EngineRole.Prefill : EngineRole.Decode,
                Speed = 0,
                DisconnectPoll = TimeSpan.FromMilliseconds(50),
            };
            var started = await SimulatedEngine.StartAsync(engine?.Invoke(plain) ?? plain, ct: Token);
            before?.Invoke(started);
            stage._engines.Add(started);
            options.ControlPlane.Workers.Add(new WorkerSpec
            {
                Url = started.Url,
                Role = i < prefill ? WorkerRole.Prefill : WorkerRole.Decode,
            });
        }
        stage._plane = EmbeddedControlPlane.Create(
            options.ControlPlane, new EngineProbe(
                options.ControlPlane, stage._upstream, TimeProvider.System), stage.Clock, seed: 7, NullLogger.Instance);
        stage.Gateway = await GatewayServer.StartAsync(options, stage._plane, clock: stage.Clock, cancellationToken: Token);
        stage.Client = new HttpClient { BaseAddress = stage.Gateway.Url, Timeout = TimeSpan.FromSeconds(60) };
        await stage._plane.StartAsync(Token);
        if (ready)
            await stage.UntilAsync(() => stage.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready), "all workers are ready");
        return stage;
    }

    public WorkerSnapshot SnapshotOf(SimulatedEngine engine) => Fleet.Workers.Single(w => w.Url.Port == engine.Port);

    public static string Request(int tokens = 8, string prompt = "The capital of France", bool stream = false) => new JsonObject
    {
        ["text"] = prompt,
        ["stream"] = stream,
        ["sampling_params"] = new JsonObject { ["max_new_tokens"] = tokens, ["ignore_eos"] = true },
    }.ToJsonString();

    public static string Answer(int tokens = 8, string prompt = "The capital of France") =>
        ReferenceModel.Complete(prompt, tokens, new Sampling { IgnoreEos = true });

    public async Task<FleetReply> AskAsync(string? body = null)
    {
        using var content = new StringContent(body ?? Request(), Encoding.UTF8, "application/json");
        using var response = await Client.PostAsync("/generate", content, Token);
        var text = await response.Content.ReadAsStringAsync(Token);
        return new FleetReply(
            response.StatusCode, response.Headers.TryGetValues("x-router-error-code", out var code) ? code.Single() : null,
            response.Headers.RetryAfter?.Delta, text, response.Headers.GetValues("x-request-id").Single());
    }

    /// <summary>
    /// The lease of the answer's last attempt. The gateway writes it down when the client has its answer already.
    /// </summary>
    public async Task<PairLease> LeaseOfAsync(FleetReply reply)
    {
        RequestRecord? record = null;
        await UntilAsync(() =>
            (record = Gateway.Requests.Recent().FirstOrDefault(r => r.Id == reply.Id)) is not null, "it is in the log");
        return record!.Calls[0].Attempts[^1].Lease;
    }

    /// <summary>Asks and expects the answer of the undisturbed model.</summary>
    public async Task GoodAsync(int tokens = 8)
    {
        var reply = await AskAsync(Request(tokens));
        Assert.True(reply.Status == HttpStatusCode.OK, reply.Text);
        Assert.Equal(Answer(tokens), (string)JsonNode.Parse(reply.Text)!["text"]!);
    }

    public async Task<(HttpStatusCode Status, string Text)> ReadinessAsync()
    {
        using var response = await Client.GetAsync("/readiness", Token);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Token));
    }

    /// <summary>
    /// Lets others run until it is so; where <paramref name="step"/> is given, the gateway's time moves by that much a
    /// millisecond at most: engines and probes keep real time, and must not be overtaken by what ends requests.
    /// </summary>
    public async Task UntilAsync(Func<bool> condition, string what, TimeSpan? step = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested,
                $"never came in 30 s: {what}; {string.Join("; ", Fleet.Workers.Select(w => $"{w} ({w.Reason})"))}");
            if (step is { } by)
            {
                Clock.Advance(by);
                await Task.Delay(1, CancellationToken.None);
            }
            await Task.Yield();
        }
    }

    /// <summary>Nothing is left of any request, on the gateway and on the engines that live.</summary>
    public Task EmptyAsync() => UntilAsync(
        () => Leases == 0 && Waiting == 0 && Gateway.Dispatcher is { OpenDecodeLegs: 0, OpenPrefillLegs: 0 }
            && Gateway.Metrics.Active == 0
            && _engines.All(e => !e.IsAlive || e.Stats.LiveRequests == 0),
        "nothing is left over");

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
        if (Gateway is not null)
            await Gateway.DisposeAsync();
        await _plane.DisposeAsync();
        await _upstream.DisposeAsync();
    }
}

/// <summary>An answer of the gateway.</summary>
internal sealed record FleetReply(HttpStatusCode Status, string? Code, TimeSpan? RetryAfter, string Text, string Id);
