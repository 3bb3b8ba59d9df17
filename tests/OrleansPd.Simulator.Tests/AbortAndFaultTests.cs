using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Simulator.Tests;

public sealed class AbortAndFaultTests
{
    private const string Question = "How long is the road";

    [Fact]
    public async Task Abort_needs_a_live_rid_and_then_takes_all_that_begin_with_it()
    {
        await using var engine = await WedgedAsync();
        var runs = new[] { "ab", "abc", "b" }.ToDictionary(rid => rid, rid => Pair.SendAsync(engine, "/generate", With(rid)));
        await Until.TrueAsync(() => engine.Stats.LiveRequests == 3, "three live requests");
        await AbortAsync(engine, "a");
        Assert.Equal(3, engine.Stats.LiveRequests);
        await AbortAsync(engine, "ab");
        Assert.Equal("abort", (await runs["ab"]).FinishType);
        Assert.Equal("abort", (await runs["abc"]).FinishType);
        Assert.Equal(1, engine.Stats.LiveRequests);
        engine.Faults.Clear();
        Assert.Equal("length", (await runs["b"]).FinishType);
        Assert.Equal((2, 1), (engine.Stats.AbortedTotal, engine.Stats.CompletedTotal));
    }

    [Fact]
    public async Task A_live_rid_cannot_be_used_again()
    {
        await using var engine = await WedgedAsync();
        var first = Pair.SendAsync(engine, "/generate", With("same"));
        await Until.TrueAsync(() => engine.Stats.LiveRequests == 1, "a live request");
        var second = await Pair.SendAsync(engine, "/generate", With("same"));
        Assert.Equal("""{"error":{"message":"Duplicate request ID detected: same"}}""", second.Body);
        var chat = PairOutputTests.Chat([new("user", "x")], 2);
        chat["rid"] = "same";
        Assert.Equal("Duplicate request ID detected: same", (
            string)(await Pair.SendAsync(engine, "/v1/chat/completions", chat)).Json["message"]!);
        engine.Faults.Clear();
        await first;
    }

    [Fact]
    public async Task A_decode_abort_ends_the_prefill_too()
    {
        await using var pair = await Pair.StartAsync();
        pair.Prefill.Faults.Add(new Fault(FaultKind.LateKv) { Delay = TimeSpan.FromSeconds(20) });
        var body = pair.Join(With("gone"));
        var prefill = Pair.SendAsync(pair.Prefill, "/generate", body);
        var decode = Pair.SendAsync(pair.Decode, "/generate", body);
        await Until.TrueAsync(() => pair.Prefill.Stats.InflightQueue == 1, "a push under way");
        await AbortAsync(pair.Decode, "gone");
        Assert.Contains("Decode transfer failed", (string)(await decode).Json["message"]!);
        Assert.EndsWith("Failed due to an unknown reason from another rank", (string)(await prefill).Json["message"]!);
        Assert.Equal((0L, 0L), (pair.Prefill.Stats.LiveKvTokens, pair.Decode.Stats.LiveKvTokens));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_leaves_ends_its_request(bool stream)
    {
        await using var engine = await WedgedAsync();
        using var patience = new CancellationTokenSource();
        var body = With("left");
        body["stream"] = stream;
        var run = Pair.SendAsync(engine, HttpMethod.Post, "/generate", body, null, patience.Token);
        await Until.TrueAsync(() => engine.Stats.LiveRequests == 1, "a live request");
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        await Until.TrueAsync(() => engine.Stats.LiveRequests == 0, "no request left");
    }

    [Fact]
    public async Task Status_strikes_as_often_as_it_was_told()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        var set = await Pair.SendAsync(
            engine, "/sim/faults", new JsonObject { ["kind"] = "status", ["status"] = 503, ["count"] = 2, ["body"] = "{}" });
        Assert.Equal("""{"id":1}""", set.Body);
        var codes = new List<int>();
        for (var i = 0; i < 3; i++)
            codes.Add((int)(await Pair.SendAsync(engine, "/generate", With($"s{i}"))).Status);
        Assert.Equal([503, 503, 200], codes);
        Assert.Equal("""{"faults":[]}""", (await Pair.SendAsync(engine, HttpMethod.Get, "/sim/faults")).Body);
    }

    [Fact]
    public async Task Faults_can_be_read_and_removed_over_http()
    {
        await using var engine = await SimulatedEngine.StartAsync(
            Pair.Fast(EngineRole.Regular) with { ApiKey = "k" }, null, Pair.Ct);
        await Pair.SendAsync(
            engine, "/sim/faults", new JsonObject { ["kind"] = "reset_mid_stream", ["after_events"] = 3, ["rid_prefix"] = "x" });
        var fault = (await Pair.SendAsync(engine, HttpMethod.Get, "/sim/faults")).Json["faults"]![0]!;
        Assert.Equal(("reset_mid_stream", 3, "x"), (
            (string)fault["kind"]!, (int)fault["after_events"]!, (string)fault["rid_prefix"]!));
        Assert.Equal(HttpStatusCode.OK, (await Pair.SendAsync(engine, HttpMethod.Delete, "/sim/faults/1")).Status);
        Assert.Empty(engine.Faults.Active);
        Assert.Equal(HttpStatusCode.BadRequest, (
            await Pair.SendAsync(engine, "/sim/faults", new JsonObject { ["kind"] = "nonsense" })).Status);
    }

    [Fact]
    public async Task Streams_break_in_every_way_once()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        engine.Faults.Add(new Fault(FaultKind.TruncateStream) { Count = 1, AfterEvents = 2 });
        var body = With("t");
        body["stream"] = true;
        var cut = await Pair.SendAsync(engine, "/generate", body);
        Assert.Equal(2, cut.Body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.DoesNotContain("[DONE]", cut.Body);

        engine.Faults.Add(new Fault(FaultKind.GarbageSse) { Count = 1, AfterEvents = 1 });
        Assert.Contains("'broken\n\n", (await Pair.SendAsync(engine, "/generate", body)).Body);

        engine.Faults.Add(new Fault(FaultKind.ResetMidStream) { Count = 1, AfterEvents = 2 });
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Pair.SendAsync(engine, "/generate", body));

        engine.Faults.Add(new Fault(FaultKind.Stall) { Count = 1, AfterEvents = 2 });
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Pair.SendAsync(engine, HttpMethod.Post, "/generate", body, null, patience.Token));

        Assert.Equal(5, (await Pair.SendAsync(engine, "/generate", body)).Events.Count);
    }

    [Fact]
    public async Task Refuse_closes_the_listener_until_removed()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        Assert.Equal(HttpStatusCode.OK, (await Pair.SendAsync(engine, HttpMethod.Get, "/health")).Status);
        var id = engine.Faults.Add(new Fault(FaultKind.Refuse));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Pair.SendAsync(engine, HttpMethod.Get, "/health"));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Pair.SendAsync(engine, HttpMethod.Get, "/health"));
        engine.Faults.Remove(id);
        await Until.TrueAsync(() => Answers(engine).Result, "an open listener");
    }

    [Fact]
    public async Task Die_and_restart_strike_after_so_many_tokens()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        engine.Faults.Add(new Fault(FaultKind.Restart) { Count = 1, AfterTokens = 2 });
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Pair.SendAsync(engine, "/generate", With("r")));
        await Until.TrueAsync(() => engine is { Epoch: 2, IsAlive: true }, "a second epoch");
        Assert.Equal("length", (await Pair.SendAsync(engine, "/generate", With("r"))).FinishType);
        engine.Faults.Add(new Fault(FaultKind.Die) { Count = 1 });
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Pair.SendAsync(engine, "/generate", With("d")));
        Assert.Equal("killed by a fault", await engine.Exited.WaitAsync(Pair.Ct));
    }

    [Fact]
    public async Task A_kill_resets_every_stream_and_a_restart_forgets_them()
    {
        await using var engine = await SimulatedEngine.StartAsync(
            Pair.Fast(EngineRole.Regular) with { Speed = 1 }, null, Pair.Ct);
        var runs = Enumerable.Range(0, 60).Select(i =>
        {
            var body = PairOutputTests.Generate(Question, 4000);
            body["sampling_params"]!["ignore_eos"] = true;
            body["stream"] = true;
            return Pair.SendAsync(engine, "/generate", body);
        }).ToList();
        await Until.TrueAsync(() => engine.Stats.Running > 3, "a batch");
        await engine.KillAsync();
        foreach (var run in runs)
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => run);

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Pair.SendAsync(engine, HttpMethod.Get, "/ping"));
        await engine.RestartAsync(Pair.Ct);
        Assert.Equal((2, 0, 0), (engine.Epoch, engine.Stats.LiveRequests, engine.Stats.Occupied));
        Assert.Equal("length", (await Pair.SendAsync(engine, "/generate", With("again"))).FinishType);
    }

    [Fact]
    public async Task A_wedged_engine_stays_green()
    {
        await using var engine = await WedgedAsync();
        var run = Pair.SendAsync(engine, "/generate", With("w"));
        await Until.TrueAsync(() => engine.Stats.LiveRequests == 1, "a live request");
        Assert.Equal(HttpStatusCode.OK, (await Pair.SendAsync(engine, HttpMethod.Get, "/health")).Status);
        engine.Faults.Add(new Fault(FaultKind.HealthRed) { Count = 1 });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await Pair.SendAsync(engine, HttpMethod.Get, "/health")).Status);
        engine.Faults.Clear();
        Assert.Equal(HttpStatusCode.OK, (await run).Status);
    }

    [Fact]
    public async Task A_pause_holds_everything_and_loses_nothing()
    {
        await using var pair = await Pair.StartAsync();
        foreach (var engine in new[] { pair.Prefill, pair.Decode })
        {
            Assert.Equal(HttpStatusCode.OK, (
                await Pair.SendAsync(engine, "/pause_generation", new JsonObject { ["mode"] = "in_place" })).Status);
        }
        var runs = Enumerable.Range(0, 8).Select(i => pair.BothAsync("/generate", With($"p{i}"))).ToList();
        Assert.DoesNotContain(runs, run => run.IsCompleted);
        foreach (var engine in new[] { pair.Prefill, pair.Decode })
            await Pair.SendAsync(engine, "/continue_generation", []);
        Assert.All(await Task.WhenAll(runs), run => Assert.Equal(ReferenceModel.Complete(Question, 5), run.Decode.Text));
    }

    [Fact]
    public async Task Flush_is_refused_while_busy()
    {
        await using var engine = await WedgedAsync();
        var run = Pair.SendAsync(engine, "/generate", With("f"));
        await Until.TrueAsync(() => engine.Stats.LiveRequests == 1, "a live request");
        Assert.Equal(HttpStatusCode.BadRequest, (await Pair.SendAsync(engine, "/flush_cache", [])).Status);
        Assert.Contains("not idle", (
            await Pair.SendAsync(engine, "/pd_role_switch", new JsonObject { ["new_role"] = "prefill" })).Body);
        engine.Faults.Clear();
        await run;
        Assert.Equal(HttpStatusCode.OK, (await Pair.SendAsync(engine, "/flush_cache", [])).Status);
    }

    private static async Task<bool> Answers(SimulatedEngine engine)
    {
        try
        {
            return (await Pair.SendAsync(engine, HttpMethod.Get, "/health")).Status == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task<SimulatedEngine> WedgedAsync()
    {
        var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        engine.Faults.Add(new Fault(FaultKind.WedgePrefill));
        return engine;
    }

    private static JsonObject With(string rid)
    {
        var body = PairOutputTests.Generate(Question, 5);
        body["rid"] = rid;
        return body;
    }

    private static Task<Reply> AbortAsync(SimulatedEngine engine, string rid) =>
        Pair.SendAsync(engine, "/abort_request", new JsonObject { ["rid"] = rid });
}
