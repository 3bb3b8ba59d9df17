using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Tests.Clients;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Telemetry;

/// <summary>
/// What <c>/metrics</c> and <c>/engine_metrics</c> say, and that Prometheus and the files in deploy/ agree with it.
/// </summary>
public sealed partial class MetricsTests
{
    [Fact]
    public async Task Stages_of_a_stream_are_measured_and_the_role_alone_is_no_content()
    {
        await using var stage = await SglangSuites.Suite.StartAsync(speed: 10);
        // The role comes at once, the first content a prefill later: KV that is late shows which of the two was measured.
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.LateKv) { Delay = TimeSpan.FromMilliseconds(400), Count = 1 });
        await SglangSuites.Suite.StreamAsync(stage, "/v1/chat/completions",
            """{"model":"default","stream":true,"max_tokens":12,"ignore_eos":true,"messages":[{"role":"user","content":"Hi"}]}""");
        await SglangSuites.Suite.IdleAsync(stage);

        var metrics = await ReadAsync(stage);

        Assert.Equal(1, metrics["orleanspd_gateway_first_content_seconds_count"]);
        Assert.True(metrics["orleanspd_gateway_first_content_seconds_sum"] >= 0.4);
        Assert.InRange(metrics["orleanspd_gateway_token_gap_seconds_count"], 5, 20);
        Assert.Equal(1, metrics["orleanspd_gateway_queue_wait_seconds_count"]);
        Assert.Equal(1, metrics["orleanspd_gateway_prefill_seconds_count"]);
        Assert.Equal(1, metrics["orleanspd_gateway_kv_wait_seconds_count"]);
        Assert.Equal(1, metrics["""orleanspd_gateway_requests_total{route="/v1/chat/completions",reason="ok",side="none"}"""]);
    }

    [Fact]
    public async Task Failures_are_counted_by_reason_and_side_and_capacity_by_role()
    {
        await using var stage = await SglangSuites.Suite.StartAsync(2, 2, speed: 0);
        foreach (var decode in stage.Decode)
            decode.Faults.Add(new Fault(FaultKind.Status) { Status = 500, Count = 1 });
        await SglangSuites.Suite.PostAsync(stage, "/generate", SglangSuites.Suite.Generate("x", 2));
        await SglangSuites.Suite.PostAsync(stage, "/generate", "{");
        await SglangSuites.Suite.IdleAsync(stage);

        var metrics = await ReadAsync(stage);

        Assert.Equal(2, metrics.Where(m => m.Key.StartsWith("orleanspd_gateway_failed_attempts_total", StringComparison.Ordinal)
            && m.Key.Contains("side=\"decode\"")).Sum(m => m.Value));
        Assert.Equal(1, metrics["orleanspd_gateway_retries_total"]);
        Assert.Equal(1, metrics["""orleanspd_gateway_requests_total{route="/generate",reason="invalid_request",side="client"}"""]);
        Assert.Equal(2, metrics["""orleanspd_gateway_workers{role="decode",phase="ready"}"""]);
        Assert.Equal(1, metrics["orleanspd_gateway_ready"]);
        foreach (var role in (string[])["prefill", "decode"])
        {
            Assert.True(metrics[$"orleanspd_gateway_capacity{{role=\"{role}\"}}"] > 0);
            Assert.Equal(metrics[$"orleanspd_gateway_capacity{{role=\"{role}\"}}"],
                metrics[$"orleanspd_gateway_credits{{role=\"{role}\"}}"]);
            Assert.Equal(0, metrics[$"orleanspd_gateway_open_legs{{role=\"{role}\"}}"]);
        }
    }

    [Fact]
    public async Task The_same_figures_are_instruments()
    {
        var seen = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == DispatchTelemetry.Name)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>(
            (instrument, _, _, _) => seen.AddOrUpdate(instrument.Name, 1, (_, n) => n + 1));
        listener.SetMeasurementEventCallback<long>(
            (instrument, _, _, _) => seen.AddOrUpdate(instrument.Name, 1, (_, n) => n + 1));
        listener.Start();
        await using var stage = await Stage.StartAsync();
        await stage.StreamAsync(
            "/generate", """{"text":"x","stream":true,"sampling_params":{"max_new_tokens":4,"ignore_eos":true}}""");
        await stage.EmptyAsync();
        listener.RecordObservableInstruments();
        foreach (var name in (
            string[])["orleanspd.gateway.queue.wait", "orleanspd.gateway.prefill.duration", "orleanspd.gateway.kv.wait",
            "orleanspd.gateway.first_content", "orleanspd.gateway.request.duration", "orleanspd.gateway.active_requests",
            "orleanspd.gateway.requests", "orleanspd.gateway.retries", "orleanspd.gateway.open_legs"])
        {
            Assert.True(seen.ContainsKey(name), $"{name} is not among {string.Join(", ", seen.Keys)}");
        }
    }

    [Fact]
    public async Task Engine_metrics_are_one_text_with_each_family_once_and_each_sample_named()
    {
        await using var stage = await Stage.StartAsync(1, 2, decodeDp: 2);
        await stage.AskAsync("/generate", """{"text":"x","sampling_params":{"max_new_tokens":2}}""");
        await stage.Decode.First().KillAsync();

        var text = await stage.Client.GetStringAsync(new Uri("/engine_metrics", UriKind.Relative), Stage.Token);

        var types = text.Split('\n').Where(l => l.StartsWith("# TYPE ", StringComparison.Ordinal)).ToArray();
        Assert.Equal(types.Distinct().Count(), types.Length);
        var alive = stage.Decode.Last().Url.GetLeftPart(UriPartial.Authority);
        Assert.Contains($"orleanspd_gateway_engine_scraped{{worker=\"{alive}\",worker_type=\"decode\"}} 1\n", text);
        Assert.Single(Regex.Matches(text, "engine_scraped\\{.*\\} 0\n"));
        Assert.Equal(2, Regex.Matches(text, "sglang:num_running_reqs\\{worker=\"" + Regex.Escape(alive)).Count);
    }

    [Theory]
    [InlineData("/metrics")]
    [InlineData("/engine_metrics")]
    public async Task Promtool_finds_the_text_sound(string path)
    {
        var promtool = Tool.Need("promtool", "prometheus");
        await using var stage = await Stage.StartAsync(2, 2, decodeDp: 2);
        await stage.StreamAsync("/generate", """{"text":"x","stream":true,"sampling_params":{"max_new_tokens":4}}""");
        await stage.PostAsync("/generate", "{");
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(
                file, await stage.Client.GetStringAsync(new Uri(path, UriKind.Relative), Stage.Token), Stage.Token);
            var (code, output) = await Tool.RunAsync(
                Tool.Need("sh", "dash"), null, TimeSpan.FromSeconds(30), "-c", "\"$0\" check metrics < \"$1\"", promtool, file);
            // SGLang names its metrics with colons, which promtool would rather keep for recording rules: advice, not an error.
            var bad = output.Split('\n').Where(l => l.Length > 0 && !l.StartsWith("sglang:", StringComparison.Ordinal)).ToArray();
            Assert.True(bad.Length == 0 && code is 0 or 3, $"{code}: {string.Join('\n', bad)}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Promtool_finds_the_alert_rules_sound()
    {
        var (code, output) = await Tool.RunAsync(
            Tool.Need("promtool", "prometheus"), null, TimeSpan.FromSeconds(
                30), "check", "rules", Tool.Repository("deploy/prometheus/alerts.yml"));
        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task Rules_and_dashboard_ask_only_for_metrics_that_exist()
    {
        await using var stage = await SglangSuites.Suite.StartAsync(speed: 0);
        stage.Decode[0].Faults.Add(new Fault(FaultKind.Status) { Status = 500, Count = 1 });
        await SglangSuites.Suite.PostAsync(stage, "/generate", SglangSuites.Suite.Generate("x", 2));
        using var wish = new StringContent("""{"wanted":1}""", Encoding.UTF8, "application/json"); // nobody's wish is no figure
        using var wished = await stage.Client.PutAsync(new Uri("/pools/decode/-", UriKind.Relative), wish, LiveStage.Token);
        Assert.True(wished.IsSuccessStatusCode);
        var known = (await stage.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative), LiveStage.Token))
            + await stage.Client.GetStringAsync(new Uri("/engine_metrics", UriKind.Relative), LiveStage.Token);
        var dashboard = JsonNode.Parse(
            await File.ReadAllTextAsync(Tool.Repository("deploy/grafana/gateway.json"), LiveStage.Token))!;
        Assert.Equal("orleanspd-gateway", (string)dashboard["uid"]!);
        foreach (var text in (string[])[dashboard.ToJsonString(
            ), await File.ReadAllTextAsync(Tool.Repository("deploy/prometheus/alerts.yml"), LiveStage.Token)])
        {
            var asked = Names().Matches(text).Select(m => m.Value).Distinct().ToArray();
            Assert.NotEmpty(asked);
            Assert.All(asked, name => Assert.True(Regex.IsMatch(known, $"(?m)^{name}[ {{]"), $"{name} does not exist"));
        }
    }

    private static async Task<Dictionary<string, double>> ReadAsync(LiveStage stage)
    {
        var text = await stage.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative), LiveStage.Token);
        return text.Split('\n').Where(l => l.Length > 0 && l[0] != '#').ToDictionary(
            l => l[..l.LastIndexOf(' ')], l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    [GeneratedRegex("orleanspd_gateway_[a-z_]+")]
    private static partial Regex Names();
}
