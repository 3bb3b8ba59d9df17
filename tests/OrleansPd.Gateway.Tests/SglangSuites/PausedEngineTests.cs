using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>
/// Calls that SGLang's suites make past the router while requests run through it: the router must take them calmly.
/// </summary>
public sealed class PausedEngineTests
{
    /// <summary>As long as the suite's own pause; shorter ones would not meet a limit that is too tight.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5.5);

    [Fact]
    public async Task In_place_pause_of_both_engines_holds_32_open_requests_and_loses_none()
    {
        await using var stage = await Suite.StartAsync();
        var requests = Enumerable.Range(0, 32)
            .Select(i => Suite.PostAsync(stage, "/generate", Suite.Generate($"Prompt {i} of many", 400))).ToArray();
        await LiveStage.UntilAsync(() => stage.Decode[0].Stats.Running == 32, TimeSpan.FromSeconds(20));
        foreach (var engine in stage.Prefill.Concat(stage.Decode))
            Assert.Equal(200, (await Suite.PastAsync(engine, "/pause_generation", """{"mode":"in_place"}""")).Status);
        var before = requests.Count(r => r.IsCompleted);

        await Task.Delay(Pause, LiveStage.Token);

        Assert.Equal((0, 0), (before, requests.Count(r => r.IsCompleted)));
        Assert.All(stage.Gateway.ControlPlane.Fleet.Workers, w => Assert.True(w.IsPairable, $"{w}: {w.Reason}"));
        foreach (var engine in stage.Prefill.Concat(stage.Decode))
            await Suite.PastAsync(engine, "/continue_generation");
        foreach (var (status, body) in await Task.WhenAll(requests))
        {
            Assert.True(status == 200, $"{status}: {body}");
            Assert.NotEmpty((string)body["text"]!);
        }
        await Suite.IdleAsync(stage);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Retract_pause_on_decode_with_and_without_new_weights_ends_well(bool weights)
    {
        await using var stage = await Suite.StartAsync();
        var decode = stage.Decode[0];
        var requests = Enumerable.Range(0, 2).Select(i => Suite.PostAsync(stage, "/generate", Suite.Generate($"Prompt {i}", 400)))
            .ToArray();
        await LiveStage.UntilAsync(() => decode.Stats.Running == 2, TimeSpan.FromSeconds(20));

        Assert.Equal(200, (await Suite.PastAsync(decode, "/pause_generation", """{"mode":"retract"}""")).Status);
        if (weights)
        {
            foreach (var engine in (SimulatedEngine[])[stage.Prefill[0], decode])
            {
                Assert.Equal(200, (await Suite.PastAsync(
                    engine, "/update_weights_from_disk", """{"model_path":"sim/next","flush_cache":false}""")).Status);
            }
        }
        await Suite.PastAsync(decode, "/continue_generation");

        var retractions = 0;
        foreach (var (status, body) in await Task.WhenAll(requests))
        {
            Assert.True(status == 200, $"{status}: {body}");
            Assert.NotEmpty((string)body["text"]!);
            retractions += (int)body["meta_info"]!["num_retractions"]!;
        }
        Assert.True(retractions > 0);
        await Suite.IdleAsync(stage);
    }

    [Fact]
    public async Task Sixteen_pauses_under_64_clients_then_abort_all_leave_the_prefill_empty_and_nothing_is_sent_again()
    {
        await using var stage = await Suite.StartAsync();
        var (prefill, decode) = (stage.Prefill[0], stage.Decode[0]);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(LiveStage.Token);
        var bad = 0;
        var clients = Enumerable.Range(0, 64).Select(async i =>
        {
            while (!stop.IsCancellationRequested)
            {
                var (status, body) = await Suite.PostAsync(stage, "/generate", Suite.Generate($"Client {i}", 60));
                if (!(status == 200
                    || (status is 500 or 503 && body.ToJsonString().Contains("abort", StringComparison.OrdinalIgnoreCase))))
                {
                    Interlocked.Increment(ref bad);
                }
            }
        }).ToArray();
        for (var cycle = 0; cycle < 16; cycle++)
        {
            var seen = prefill.Stats.RequestsTotal;
            Assert.Equal(200, (await Suite.PastAsync(prefill, "/pause_generation", """{"mode":"in_place"}""")).Status);
            Assert.Equal(200, (await Suite.PastAsync(prefill, "/continue_generation")).Status);
            await LiveStage.UntilAsync(() => prefill.Stats.RequestsTotal > seen, TimeSpan.FromSeconds(20));
        }
        await stop.CancelAsync();
        var retries = stage.Gateway.Dispatcher.Retries;
        await Suite.PastAsync(prefill, "/abort_request", """{"rid":"","abort_all":true}""");
        await Suite.PastAsync(decode, "/abort_request", """{"rid":"","abort_all":true}""");

        await LiveStage.UntilAsync(() => prefill.Stats.Running == 0, TimeSpan.FromSeconds(2));
        await Task.WhenAll(clients);
        Assert.Equal((0, retries), (bad, stage.Gateway.Dispatcher.Retries));
        await Suite.IdleAsync(stage);
    }

    [Fact]
    public async Task A_request_right_after_a_pause_of_an_idle_prefill_succeeds()
    {
        await using var stage = await Suite.StartAsync();
        await Suite.PastAsync(stage.Prefill[0], "/pause_generation");
        await Suite.PastAsync(stage.Prefill[0], "/continue_generation");

        await Suite.GoodAsync(stage, "/generate", Suite.Generate("At once", 4))
            .WaitAsync(TimeSpan.FromSeconds(10), LiveStage.Token);
        Assert.All(stage.Gateway.ControlPlane.Fleet.Workers, w => Assert.Equal(WorkerPhase.Ready, w.Phase));
    }

    [Fact]
    public async Task Flush_weights_loads_and_metrics_past_the_router_disturb_nothing()
    {
        await using var stage = await Suite.StartAsync();
        using var client = new HttpClient();
        foreach (var engine in stage.Prefill.Concat(stage.Decode))
        {
            Assert.Equal(200, (await Suite.PastAsync(engine, "/flush_cache?timeout=30")).Status);
            foreach (var path in (string[])["/v1/loads", "/metrics", "/server_info", "/health_generate"])
                Assert.NotEqual(500, (int)(await client.GetAsync(new Uri(engine.Url, path), LiveStage.Token)).StatusCode);
        }
        await Suite.GoodAsync(stage, "/generate", Suite.Generate("Still there", 4));
    }
}
