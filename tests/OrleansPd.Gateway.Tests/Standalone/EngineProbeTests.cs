using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests.Standalone;

public sealed class EngineProbeTests : IAsyncDisposable
{
    private readonly DirectUpstream _upstream = new();
    private readonly EngineProbe _probe;
    private readonly List<WebApplication> _apps = [];

    public EngineProbeTests()
    {
        _probe = new EngineProbe(new ControlPlaneOptions(), _upstream, TimeProvider.System);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _upstream.DisposeAsync();
        foreach (var app in _apps)
            await app.DisposeAsync();
    }

    [Fact]
    public async Task A_prefill_is_read_from_its_endpoints_and_its_bootstrap_server()
    {
        var bootstrap = await ServeAsync(app => app.MapGet("/route", (HttpRequest r) => r.Query["prefill_dp_rank"] == "-1"
            ? Results.Text("""{"attn_tp_size":1,"dp_size":4,"page_size":64,"kv_cache_dtype":"auto","follow_bootstrap_room":true}""")
            : Results.Text("""{"rank_ip":"127.0.0.1","rank_port":41231}""")));
        var api = await ServeAsync(app =>
        {
            app.MapGet("/server_info", (HttpRequest r) => Results.Text(r.Headers.Authorization != "Bearer k" ? "{}" : $$$"""
                {"disaggregation_mode":"prefill","disaggregation_bootstrap_port":{{{bootstrap.Port}}},"disaggregation_transfer_backend":"nixl",
                 "dp_size":2,"page_size":1,"served_model_name":"m","version":"0.5.18","random_seed":77,"max_running_requests":64,
                 "internal_states":[{"effective_max_running_requests_per_dp":16,"memory_usage":{"token_capacity":9000}}]}
                """));
            app.MapGet("/model_info", () => Results.Text("""{"model_path":"/models/m","tokenizer_path":"/tok"}"""));
        });
        var reading = await _probe.DescribeAsync(new WorkerSpec { Url = api, Role = WorkerRole.Prefill, ApiKey = "k" }, Token);
        Assert.Equal(
            new WorkerFacts
            {
                Role = WorkerRole.Prefill,
                ModelPath = "/models/m",
                ServedModelName = "m",
                TokenizerPath = "/tok",
                Version = "0.5.18",
                DpSize = 4,
                PageSize = 64,
                KvCacheDtype = "auto",
                TransferBackend = "nixl",
                BootstrapPort = bootstrap.Port,
                MaxRunningPerRank = 16,
                SlotsPerRank = 48,
                TokenCapacityPerRank = 9000,
                ProcessIdentity = "seed=77;rank=41231",
            },
            reading.Facts);
    }

    [Fact]
    public async Task A_prefill_whose_ranks_have_not_registered_is_not_there_yet()
    {
        var api = await ServeAsync(app =>
        {
            app.MapGet("/model_info", () => Results.Text("""{"model_path":"m"}"""));
            app.MapGet("/route", () => Results.Text("Prefill server not fully registered yet", statusCode: 503));
        });
        var reading = await _probe.DescribeAsync(
            new WorkerSpec { Url = api, Role = WorkerRole.Prefill, BootstrapPort = api.Port }, Token);
        Assert.Null(reading.Facts);
        Assert.Contains("registered", reading.Answer.Problem);
    }

    [Fact]
    public async Task A_rust_front_end_is_found_by_its_route_on_the_api_port()
    {
        var api = await ServeAsync(app =>
        {
            app.MapGet("/server_info", () =>
                Results.Text("""{"served_model_name":"m","version":"0.5.18","internal_states":[{}]}"""));
            app.MapGet("/route", (HttpRequest r) =>
                r.Query.Count == 0 ? Results.StatusCode(400) : Results.Text("""{"dp_size":2,"page_size":64}"""));
        });
        var reading = await _probe.DescribeAsync(new WorkerSpec { Url = api, Role = WorkerRole.Prefill }, Token);
        Assert.Equal((api.Port, 2), (reading.Facts!.BootstrapPort, reading.Facts.DpSize));
    }

    [Fact]
    public async Task A_node_that_answers_health_alone_is_no_worker()
    {
        var api = await ServeAsync(app => app.MapGet("/health", () => Results.Ok()));
        Assert.Null((await _probe.DescribeAsync(new WorkerSpec { Url = api, Role = WorkerRole.Decode }, Token)).Facts);
    }

    [Fact]
    public async Task Nobody_there_is_told_from_somebody_slow()
    {
        var api = await ServeAsync(_ => { });
        await _apps[0].StopAsync(Token);
        var answer = await _probe.LivenessAsync(new WorkerSpec { Url = api, Role = WorkerRole.Decode }, Token);
        Assert.True(answer.Refused);
    }

    [Fact]
    public async Task Nobody_there_is_told_so_by_the_reference_client_too()
    {
        var api = await ServeAsync(_ => { });
        await _apps[0].StopAsync(Token);
        await using var reference = new HandlerUpstream();
        var answer = await new EngineProbe(new ControlPlaneOptions(), reference, TimeProvider.System)
            .LivenessAsync(new WorkerSpec { Url = api, Role = WorkerRole.Decode }, Token);
        Assert.True(answer.Refused);
    }

    [Fact]
    public async Task A_worker_is_read_again_by_what_may_have_changed_and_the_bootstrap_servers_word_stays()
    {
        var asked = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var (seed, rank, adapter) = (1, 1000, "a");
        Uri api = null!;
        api = await ServeAsync(app =>
        {
            app.Use((HttpContext context, RequestDelegate next) =>
            {
                asked.Enqueue(context.Request.Path + context.Request.QueryString.Value);
                return next(context);
            });
            app.MapGet("/server_info", () => Results.Text(
                $$"""{"disaggregation_mode":"prefill","disaggregation_bootstrap_port":{{api.Port}},"page_size":1,"kv_cache_dtype":"auto","random_seed":{{seed}},"served_model_name":"m"}"""));
            app.MapGet("/model_info", () => Results.Text("""{"is_generation":true,"tokenizer_path":"t"}"""));
            app.MapGet("/v1/models", () =>
                Results.Text($$"""{"data":[{"id":"m","parent":null},{"id":"{{adapter}}","parent":"m"}]}"""));
            app.MapGet("/route", () =>
                Results.Text($$"""{"dp_size":2,"page_size":64,"kv_cache_dtype":"fp8","rank_port":{{rank}}}"""));
        });
        var worker = new WorkerSpec { Url = api, Role = WorkerRole.Prefill };
        var known = (await _probe.DescribeAsync(worker, Token)).Facts!;
        Assert.Equal((64, "fp8", "a", 2), (known.PageSize, known.KvCacheDtype, known.AdapterNames, known.DpSize));

        adapter = "b";
        asked.Clear();
        var again = (await _probe.DescribeAgainAsync(worker, known, Token)).Facts!;
        Assert.Equal(known with { AdapterNames = "b" }, again);
        Assert.Equal(["/server_info", "/route", "/v1/models"], asked.Select(path => path.Split('?')[0]));

        // Only the ports of its ranks say that it is another process: it is read from the beginning.
        rank = 2000;
        asked.Clear();
        var other = (await _probe.DescribeAgainAsync(worker, again, Token)).Facts!;
        Assert.False(ProcessIdentity.Same(again.ProcessIdentity, other.ProcessIdentity));
        Assert.Contains("/model_info", asked);
    }

    [Fact]
    public async Task Both_legs_of_a_generation_are_in_flight_at_the_same_time_with_one_room()
    {
        var met = new Barrier(2);
        var bodies = new System.Collections.Concurrent.ConcurrentBag<JsonNode>();
        var api = await ServeAsync(app => app.MapPost("/generate", async (HttpRequest r) =>
        {
            bodies.Add((await JsonNode.ParseAsync(r.Body))!);
            return await Task.Run(() => met.SignalAndWait(TimeSpan.FromSeconds(20)))
                ? Results.Text("""{"text":"x","meta_info":{"finish_reason":{"type":"length"}}}""")
                : Results.StatusCode(500);
        }));
        Assert.True((await _probe.GenerateAsync(Trial(api, api), Token)).IsGood);
        Assert.All(bodies, b => Assert.Equal(long.MaxValue, b["bootstrap_room"]!.GetValue<long>()));
        Assert.Single(bodies.Select(b => b["rid"]!.GetValue<string>()).Distinct());
        Assert.All(bodies, b => Assert.Null(b["routed_dp_rank"]));
    }

    [Fact]
    public async Task When_one_leg_fails_the_other_is_not_left_behind()
    {
        var left = new TaskCompletionSource();
        var hanging = await ServeAsync(app => app.MapPost("/generate", async (HttpContext c) =>
        {
            using var registration = c.RequestAborted.Register(() => left.TrySetResult());
            await left.Task;
        }));
        var failing = await ServeAsync(app => app.MapPost("/generate", () => Results.StatusCode(500)));
        var answer = await _probe.GenerateAsync(Trial(failing, hanging), Token);
        Assert.Contains("500", answer.Problem);
        await left.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);
    }

    private static ReadinessCheck Trial(Uri prefill, Uri decode)
    {
        var target = new LegTarget("127.0.0.1", 8998, null, null);
        return new ReadinessCheck(
            Worker(prefill, WorkerRole.Prefill), Worker(decode, WorkerRole.Decode), long.MaxValue, target, target);
    }

    private static WorkerSnapshot Worker(Uri url, WorkerRole role) => new()
    {
        Id = new WorkerId($"{role}"),
        Url = url,
        Role = role,
        Phase = WorkerPhase.Probing,
        Epoch = 1,
        Slot = 0,
        Facts = WorkerFacts.Unknown,
    };

    private async Task<Uri> ServeAsync(Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        map(app);
        _apps.Add(app);
        await app.StartAsync(Token);
        return new Uri(app.Urls.Single());
    }
}
