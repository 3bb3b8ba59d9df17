using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Options;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Support;

/// <summary>
/// A whole gateway with its embedded control plane, engines that are added while it runs, and everything it said.
/// </summary>
internal sealed class ManagedStage : IAsyncDisposable
{
    private readonly List<SimulatedEngine> _engines = [];
    private readonly ConcurrentQueue<string> _said = new();
    private readonly HttpClient _client;

    private ManagedStage(GatewayServer gateway, ConcurrentQueue<string> said)
    {
        Gateway = gateway;
        _said = said;
        _client = new HttpClient { BaseAddress = gateway.Url, Timeout = TimeSpan.FromSeconds(60) };
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public GatewayServer Gateway { get; }

    /// <summary>All answers' heads and bodies, and all log lines.</summary>
    public IReadOnlyCollection<string> Said => _said;

    public static async Task<ManagedStage> StartAsync(Action<GatewayOptions>? configure = null)
    {
        var options = new GatewayOptions
        {
            Host = "127.0.0.1",
            Port = 0,
            Upstream = Stage.DefaultUpstream,
            ControlPlane = new ControlPlaneOptions { LoadIntervalSecs = 1 }
        };
        configure?.Invoke(options);
        var said = new ConcurrentQueue<string>();
        var gateway = await StandaloneGateway.StartAsync(
            options, logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(new Recorder(said)), Token);
        return new ManagedStage(gateway, said);
    }

    /// <summary>An engine that the gateway does not know yet.</summary>
    public async Task<SimulatedEngine> EngineAsync(
        EngineRole role, Func<SimulatedEngineOptions, SimulatedEngineOptions>? options = null)
    {
        var plain = new SimulatedEngineOptions { Role = role, Speed = 0, DisconnectPoll = TimeSpan.FromMilliseconds(50) };
        var engine = await SimulatedEngine.StartAsync(options?.Invoke(plain) ?? plain, ct: Token);
        _engines.Add(engine);
        return engine;
    }

    /// <summary>Adds the engine and returns the worker's id.</summary>
    public async Task<string> AddAsync(SimulatedEngine engine)
    {
        var (status, body) = await CallAsync("POST", "/workers", new JsonObject
        {
            ["url"] = engine.Url.ToString(),
            ["worker_type"] = engine.Options.Role.ToString().ToLowerInvariant(),
            ["api_key"] = engine.Options.ApiKey,
        });
        Assert.True(status == 202, $"{status}: {body}");
        return (string)body["worker_id"]!;
    }

    public async Task<(SimulatedEngine Engine, string Id)> WorkerAsync(
        EngineRole role, Func<SimulatedEngineOptions, SimulatedEngineOptions>? options = null)
    {
        var engine = await EngineAsync(role, options);
        return (engine, await AddAsync(engine));
    }

    public async Task<(int Status, JsonNode Body)> CallAsync(
        string method, string path, JsonNode? body = null, string? key = null)
    {
        using var response = await SendAsync(method, path, body?.ToJsonString(), key);
        var text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(text.StartsWith('{'), $"{method} {path}: {(int)response.StatusCode} {text}");
        return ((int)response.StatusCode, JsonNode.Parse(text)!);
    }

    public async Task<HttpResponseMessage> SendAsync(string method, string path, string? body = null, string? key = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        var response = await _client.SendAsync(request, Token);
        _said.Enqueue($"{response.Headers}{await response.Content.ReadAsStringAsync(Token)}");
        return response;
    }

    /// <summary>Generates so many tokens of this prompt and returns the answer's text.</summary>
    public async Task<string> GenerateAsync(string prompt = "What is a prefix?", int tokens = 4)
    {
        using var response = await SendAsync("POST", "/generate", new JsonObject
        {
            ["text"] = prompt,
            ["sampling_params"] = new JsonObject { ["max_new_tokens"] = tokens, ["temperature"] = 0, ["ignore_eos"] = true },
        }.ToJsonString());
        var text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode}: {text}");
        return (string)JsonNode.Parse(text)!["text"]!;
    }

    public async Task<JsonNode> WorkerAsync(string id) => (await CallAsync("GET", $"/workers/{id}")).Body;

    public Task ReadyAsync(params string[] ids) =>
        Task.WhenAll(ids.Select(id => UntilAsync(id, w => (string)w["phase"]! == "ready")));

    /// <summary>Asks for the worker until it is so.</summary>
    public async Task<JsonNode> UntilAsync(string id, Func<JsonNode, bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            var worker = await WorkerAsync(id);
            if (condition(worker))
                return worker;
            Assert.False(limit.IsCancellationRequested, $"never came in 30 s: {worker}");
        }
    }

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, $"never came in 30 s: {what}");
            await Task.Yield();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await Gateway.DisposeAsync();
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }

    private sealed class Recorder(ConcurrentQueue<string> said) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            said.Enqueue($"log: {formatter(state, exception)} {exception}");
    }
}
