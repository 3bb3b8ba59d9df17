using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Simulator.Tests;

/// <summary>Mix-ups and losses between the two legs show as another text or as the engines' own errors.</summary>
public sealed class HandOffTests
{
    private const string Question = "Which way does the old river run to the sea";

    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(150);

    [Fact]
    public async Task Prompt_altered_on_one_leg_gives_another_text()
    {
        await using var pair = await Pair.StartAsync();
        var expected = ReferenceModel.Complete(Question, 30);
        var altered = Question.Replace("old", "odd", StringComparison.Ordinal);
        foreach (var (left, right) in new[] { (altered, Question), (Question, altered) })
        {
            var room = pair.NextRoom();
            var (_, decode) = await pair.BothAsync(
                "/generate", pair.Join(
                    PairOutputTests.Generate(left, 30), room), pair.Join(PairOutputTests.Generate(right, 30), room));
            Assert.Equal(HttpStatusCode.OK, decode.Status);
            Assert.NotEqual(expected, decode.Text);
            Assert.NotEqual(ReferenceModel.Complete(altered, 30), decode.Text);
        }
    }

    [Fact]
    public async Task Crossed_rooms_give_other_texts()
    {
        await using var pair = await Pair.StartAsync();
        const string Other = "Which way does the new bridge go to the sea";
        var first = PairOutputTests.Generate(Question, 30);
        var second = PairOutputTests.Generate(Other, 30);
        var a = pair.BothAsync("/generate", pair.Join(first, 71), pair.Join(first, 72));
        var b = pair.BothAsync("/generate", pair.Join(second, 72), pair.Join(second, 71));
        Assert.NotEqual(ReferenceModel.Complete(Question, 30), (await a).Decode.Text);
        Assert.NotEqual(ReferenceModel.Complete(Other, 30), (await b).Decode.Text);
    }

    [Fact]
    public async Task Corrupt_kv_gives_another_text_once()
    {
        await using var pair = await Pair.StartAsync();
        pair.Prefill.Faults.Add(new Fault(FaultKind.CorruptKv) { Count = 1 });
        var prompt = PairOutputTests.Prompt(5, 400);
        var expected = ReferenceModel.Complete(prompt, 30);
        Assert.NotEqual(expected, (await pair.BothAsync("/generate", PairOutputTests.Generate(prompt, 30))).Decode.Text);
        Assert.Equal(expected, (await pair.BothAsync("/generate", PairOutputTests.Generate(prompt, 30))).Decode.Text);
    }

    [Fact]
    public async Task Dropped_kv_ends_the_decode_by_its_clock()
    {
        await using var pair = await Pair.StartAsync(decode: d => d with { WaitingTimeout = Short });
        pair.Prefill.Faults.Add(new Fault(FaultKind.DropKv) { Count = 1 });
        var (prefill, decode) = await pair.BothAsync("/generate", PairOutputTests.Generate(Question, 5), 77);
        Assert.Equal(HttpStatusCode.OK, prefill.Status);
        Assert.Equal(HttpStatusCode.InternalServerError, decode.Status);
        Assert.Contains("Decode transfer failed for request rank=0", (string)decode.Json["message"]!);
        Assert.Contains("KVTransferError(bootstrap_room=77): Request 77 timed out after", (string)decode.Json["message"]!);
        Assert.EndsWith("in KVPoll.WaitingForInput", (string)decode.Json["message"]!);
    }

    [Fact]
    public async Task Prefill_alone_ends_by_its_clock()
    {
        await using var pair = await Pair.StartAsync(p => p with { BootstrapTimeout = Short });
        var reply = await Pair.SendAsync(pair.Prefill, "/generate", pair.Join(PairOutputTests.Generate(Question, 5), 78));
        Assert.Equal(HttpStatusCode.InternalServerError, reply.Status);
        Assert.Contains("Prefill bootstrap failed", (string)reply.Json["message"]!);
        Assert.Contains("in KVPoll.Bootstrapping", (string)reply.Json["message"]!);
        Assert.Equal("500", (string)reply.Json["type"]!);
    }

    [Fact]
    public async Task A_reused_room_pushes_to_the_stale_destination_and_is_counted()
    {
        await using var pair = await Pair.StartAsync(
            p => p with { BootstrapTimeout = Short }, d => d with { WaitingTimeout = Short * 3 });
        await Pair.SendAsync(pair.Prefill, "/generate", pair.Join(PairOutputTests.Generate(Question, 5), 80));
        // The decode publishes its destination for a room that has failed: no answer, but the prefill keeps it.
        var late = await Pair.SendAsync(pair.Decode, "/generate", pair.Join(PairOutputTests.Generate(Question, 5), 80));
        Assert.Equal(HttpStatusCode.InternalServerError, late.Status);
        await Pair.SendAsync(pair.Prefill, "/generate", pair.Join(PairOutputTests.Generate(Question, 5), 80));
        Assert.Equal(1, pair.Prefill.Stats.DuplicateRooms);
        Assert.Contains("room 80 used twice", pair.Prefill.Stats.RouterErrors);
    }

    [Fact]
    public async Task Room_zero_never_completes_on_the_decode()
    {
        await using var pair = await Pair.StartAsync();
        using var patience = new CancellationTokenSource();
        var body = pair.Join(PairOutputTests.Generate(Question, 5), 0);
        body["rid"] = "zero";
        var decode = Pair.SendAsync(pair.Decode, "/generate", body);
        Assert.Equal(HttpStatusCode.OK, (await Pair.SendAsync(pair.Prefill, "/generate", body)).Status);
        Assert.Equal(1, pair.Decode.Stats.TransferQueue);
        await Pair.SendAsync(pair.Decode, "/abort_request", new JsonObject { ["rid"] = "zero" });
        Assert.EndsWith("Aborted by AbortReq.", (string)(await decode).Json["message"]!);
    }

    [Fact]
    public async Task A_room_of_another_rank_is_a_conflict()
    {
        await using var pair = await Pair.StartAsync(p => p with { DpSize = 4 });
        var body = pair.Join(PairOutputTests.Generate(Question, 5), 401);
        body["routed_dp_rank"] = 3;
        var reply = await Pair.SendAsync(pair.Prefill, "/generate", body);
        Assert.Equal(HttpStatusCode.InternalServerError, reply.Status);
        Assert.Contains(
            "follow_bootstrap_room conflict: dispatched to dp_rank 3 but bootstrap_room 401 implies dp_rank 1", (
                string)reply.Json["message"]!);
    }

    [Fact]
    public async Task Plain_replicas_announce_rank_zero()
    {
        await using var pair = await Pair.StartAsync(p => p with { DpSize = 2, EnableDpAttention = false });
        var odd = await Pair.SendAsync(pair.Prefill, "/generate", pair.Join(PairOutputTests.Generate(Question, 5), 501));
        Assert.Contains("implies dp_rank 1", (string)odd.Json["message"]!);
        var body = pair.Join(PairOutputTests.Generate(Question, 5), 503);
        body["disagg_prefill_dp_rank"] = 1;
        var (_, decode) = await pair.BothAsync("/generate", body, body);
        Assert.Equal(ReferenceModel.Complete(Question, 5), decode.Text);
    }

    [Fact]
    public async Task A_dead_prefill_is_noticed_by_heartbeat()
    {
        await using var pair = await Pair.StartAsync(decode: d => d with { HeartbeatInterval = TimeSpan.FromMilliseconds(30) });
        pair.Prefill.Faults.Add(new Fault(FaultKind.WedgePrefill));
        var body = pair.Join(PairOutputTests.Generate(Question, 5), 90);
        var prefill = Pair.SendAsync(pair.Prefill, "/generate", body);
        var decode = Pair.SendAsync(pair.Decode, "/generate", body);
        await Until.TrueAsync(
            () => pair.Decode.Stats.TransferQueue == 1 && pair.Prefill.Stats.Waiting == 1, "a pair in transfer");
        await pair.Prefill.KillAsync();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => prefill);
        var reply = await decode;
        Assert.Equal(HttpStatusCode.InternalServerError, reply.Status);
        Assert.EndsWith(
            $"Lost connection with prefill instance (bootstrap_addr: 127.0.0.1:{pair.Prefill.BootstrapPort})", (
                string)reply.Json["message"]!);
    }

    [Fact]
    public async Task A_restarted_prefill_works_again_after_two_lost_heartbeats()
    {
        await using var pair = await Pair.StartAsync(decode: d => d with { HeartbeatInterval = TimeSpan.FromMilliseconds(30) });
        Assert.Equal(ReferenceModel.Complete(
            Question, 9), (await pair.BothAsync("/generate", PairOutputTests.Generate(Question, 9))).Decode.Text);
        var port = pair.Prefill.Port;
        pair.Prefill.Faults.Add(new Fault(FaultKind.WedgePrefill));
        var marker = Pair.SendAsync(pair.Decode, "/generate", pair.Join(PairOutputTests.Generate(Question, 5), 91));
        await Until.TrueAsync(() => pair.Decode.Stats.TransferQueue == 1, "a marker in transfer");
        await pair.Prefill.KillAsync();
        await marker;
        pair.Prefill.Faults.Clear();
        await pair.Prefill.RestartAsync(Pair.Ct);
        Assert.Equal((2, port), (pair.Prefill.Epoch, pair.Prefill.Port));
        Assert.Equal(ReferenceModel.Complete(
            Question, 9), (await pair.BothAsync("/generate", PairOutputTests.Generate(Question, 9))).Decode.Text);
    }

    [Fact]
    public async Task A_dead_decode_fails_the_push()
    {
        await using var pair = await Pair.StartAsync();
        pair.Prefill.Faults.Add(new Fault(FaultKind.LateKv) { Count = 1, Delay = Short });
        var body = pair.Join(PairOutputTests.Generate(Question, 5), 92);
        var decode = Pair.SendAsync(pair.Decode, "/generate", body);
        var prefill = Pair.SendAsync(pair.Prefill, "/generate", body);
        await Until.TrueAsync(() => pair.Prefill.Stats.InflightQueue == 1, "a push under way");
        await pair.Decode.KillAsync();
        Assert.Contains("Prefill transfer failed", (string)(await prefill).Json["message"]!);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => decode);
    }

    [Fact]
    public async Task Without_a_bootstrap_server_all_waiting_requests_fail_together()
    {
        await using var pair = await Pair.StartAsync(
            decode: d => d with { BootstrapRetry = TimeSpan.FromMilliseconds(20), BootstrapTries = 3 });
        pair.Prefill.Faults.Add(new Fault(FaultKind.BootstrapDown));
        var replies = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ =>
            Pair.SendAsync(pair.Decode, "/v1/chat/completions", pair.Join(PairOutputTests.Chat([new("user", "hi")], 4)))));
        Assert.All(replies, reply =>
        {
            Assert.Equal(HttpStatusCode.InternalServerError, reply.Status);
            Assert.StartsWith("Decode handshake failed", (string)reply.Json["message"]!);
            Assert.EndsWith("Aborted by AbortReq.", (string)reply.Json["message"]!);
        });
    }

    [Fact]
    public async Task Old_decodes_cannot_read_a_newer_sentinel()
    {
        await using var pair = await Pair.StartAsync(
            decode: d => d with { Version = "0.5.15", BootstrapRetry = TimeSpan.FromMilliseconds(5) });
        var reply = await Pair.SendAsync(pair.Decode, "/generate", pair.Join(PairOutputTests.Generate(Question, 5)));
        Assert.Contains("Decode handshake failed", (string)reply.Json["message"]!);
    }

    [Fact]
    public async Task Another_page_size_takes_the_decode_down()
    {
        await using var pair = await Pair.StartAsync(decode: d => d with { PageSize = 32 });
        await Assert.ThrowsAnyAsync<HttpRequestException>(
            () => Pair.SendAsync(pair.Decode, "/generate", pair.Join(PairOutputTests.Generate(Question, 5))));
        Assert.Contains("page size", await pair.Decode.Exited.WaitAsync(Pair.Ct));
        Assert.False(pair.Decode.IsAlive);
    }

    [Fact]
    public async Task The_fake_host_needs_no_partner()
    {
        await using var pair = await Pair.StartAsync();
        foreach (var engine in new[] { pair.Prefill, pair.Decode })
        {
            var body = PairOutputTests.Generate(Question, 4);
            body["bootstrap_host"] = "2.2.2.2";
            body["bootstrap_room"] = 0;
            Assert.Equal(HttpStatusCode.OK, (await Pair.SendAsync(engine, "/generate", body)).Status);
        }
    }

    [Fact]
    public async Task The_decode_window_is_never_exceeded()
    {
        await using var pair = await Pair.StartAsync(
            p => p with { DpSize = 2 }, d => d with { DpSize = 2, MaxRunningRequests = 6, DecodeExtraSlots = 2 });
        var replies = await Task.WhenAll(Enumerable.Range(0, 60).Select(i =>
            pair.BothAsync("/generate", PairOutputTests.Generate($"number {i}", 40))));
        Assert.All(replies, reply => Assert.Equal(HttpStatusCode.OK, reply.Decode.Status));
        Assert.All(pair.Decode.Stats.Ranks, rank =>
        {
            Assert.InRange(rank.MaxRunningSeen, 1, 3);
            Assert.InRange(rank.MaxOccupiedSeen, 1, 5);
        });
    }

    [Fact]
    public async Task A_retracted_request_comes_back_to_its_room_and_goes_on()
    {
        await using var pair = await Pair.StartAsync(p => p with { DpSize = 2 });
        pair.Decode.Faults.Add(new Fault(FaultKind.Retract) { Count = 1, AfterTokens = 7 });
        var body = PairOutputTests.Generate(Question, 80);
        body["sampling_params"]!["sampling_seed"] = 3;
        body["rid"] = "shared";
        var (_, decode) = await pair.BothAsync("/generate", body);
        Assert.Equal(ReferenceModel.Complete(Question, 80, new Sampling { Seed = 3 }), decode.Text);
        Assert.Equal(1, (int)decode.Json["meta_info"]!["num_retractions"]!);
        Assert.Equal(2, pair.Prefill.Stats.RequestsTotal);
        Assert.Equal(0, pair.Prefill.Stats.DuplicateRooms);
        await Until.TrueAsync(() => pair.Decode.Stats is { Occupied: 0, LiveKvTokens: 0, LiveRequests: 0 }, "an empty decode");
    }

    [Fact]
    public async Task A_rust_prefill_serves_the_registry_on_its_api_port()
    {
        await using var pair = await Pair.StartAsync(p => p with { RustFrontEnd = true, DpSize = 2, ApiKey = "unused" });
        Assert.Equal(pair.Prefill.Port, pair.Prefill.BootstrapPort);
        Assert.Equal(ReferenceModel.Complete(
            Question, 9), (await pair.BothAsync("/generate", PairOutputTests.Generate(Question, 9))).Decode.Text);
        Assert.Equal(HttpStatusCode.BadRequest, (await Pair.SendAsync(pair.Prefill, HttpMethod.Get, "/route")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Pair.SendAsync(pair.Decode, HttpMethod.Get, "/route")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Pair.SendAsync(pair.Prefill, HttpMethod.Get, "/v1/loads")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Pair.SendAsync(pair.Prefill, "/abort_request", [])).Status);
    }

    [Fact]
    public async Task Big_prompts_travel_whole()
    {
        await using var pair = await Pair.StartAsync(
            p => p with { KvWireBytesPerToken = 64 }, d => d with { KvWireBytesPerToken = 64 });
        var ids = Enumerable.Range(0, 126_000).Select(i => i * 7 % 50_000).ToArray();
        var body = new JsonObject
        {
            ["input_ids"] = new JsonArray([.. ids.Select(id => (JsonNode)id)]),
            ["sampling_params"] = new JsonObject { ["max_new_tokens"] = 8 },
        };
        var (_, decode) = await pair.BothAsync("/generate", body);
        Assert.Equal(ReferenceModel.CompleteTokens(ids, 8), decode.Text);
    }
}
