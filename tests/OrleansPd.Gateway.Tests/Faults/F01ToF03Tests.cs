using System.Diagnostics;
using OrleansPd.Core.Workers;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Faults of the prefill leg.</summary>
public class F01ToF03Tests(ITestOutputHelper output)
{
    private static readonly TimeSpan AbortBound = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData("/generate", false)]
    [InlineData("/generate", true)]
    [InlineData("/v1/completions", false)]
    [InlineData("/v1/completions", true)]
    public async Task F01_Prefill_refuses_a_prompt_that_is_too_long_by_one(string path, bool stream)
    {
        const int Limit = 64;
        await using var stage = await FaultStage.StartAsync(
            2, 1, engine: o => o with { ContextLength = o.Role == EngineRole.Prefill ? Limit : 2 * Limit });
        var ids = string.Join(',', Enumerable.Range(1, Limit));
        var member = path == "/generate" ? "input_ids" : "prompt";
        var sent = Stopwatch.GetTimestamp();

        var reply = await stage.PostAsync(
            path, $$"""{"model":"sim","{{member}}":[{{ids}}],"stream":{{(stream ? "true" : "false")}}}""");

        Assert.Contains("longer than the model's context length (64 tokens)", (string)reply.Refused(400)["message"]!);
        output.WriteLine($"from the request to both engines free: {await stage.FreeAsync(sent)}");
        var told = await stage.ToldAsync(reply.Id);
        Assert.Single(told.Attempts);
        Assert.Equal(("prefill_client_error", "client"), (told.Reason, told.Blame()));
        Assert.Empty(stage.Charged);
    }

    [Theory]
    [InlineData(FaultKind.Status, false)]
    [InlineData(FaultKind.Status, true)]
    [InlineData(FaultKind.Refuse, false)]
    [InlineData(FaultKind.Refuse, true)]
    [InlineData(FaultKind.FailTransfer, false)]
    [InlineData(FaultKind.FailTransfer, true)]
    public async Task F02_Prefill_fails_at_once_and_another_one_serves_in_a_fresh_room(FaultKind fault, bool stream)
    {
        await using var stage = await FaultStage.StartAsync(2, 1);
        stage.Prefill.Faults.Add(new Fault(fault));

        var reply = await stage.PostAsync("/generate", FaultStage.Body(stream));

        Assert.Equal(FaultStage.Good, reply.GoodText());
        await stage.FreeAsync();
        var told = await stage.ToldAsync(reply.Id);
        told.WasRetriedAfresh();
        Assert.NotEqual((string?)told.Attempts[0]["prefill"], (string?)told.Attempts[1]["prefill"]);
        // A failed transfer has two ends; whose fault it was cannot be seen from either.
        Assert.Equal(fault == FaultKind.FailTransfer ? "none" : "prefill", told.Blame());
        Assert.DoesNotContain(stage.Decode, stage.Charged);
        Assert.Equal(WorkerPhase.Ready, stage.SnapshotOf(stage.Decode).Phase);
        Assert.Equal(1, stage.Gateway.Dispatcher.Retries);
    }

    [Theory]
    [InlineData(FaultKind.Status, false)]
    [InlineData(FaultKind.Status, true)]
    [InlineData(FaultKind.Refuse, false)]
    [InlineData(FaultKind.Refuse, true)]
    [InlineData(FaultKind.FailTransfer, false)]
    [InlineData(FaultKind.FailTransfer, true)]
    public async Task F02_Prefill_fails_at_once_and_there_is_no_other_one(FaultKind fault, bool stream)
    {
        await using var stage = await FaultStage.StartAsync();
        stage.Prefill.Faults.Add(new Fault(fault));
        var sent = Stopwatch.GetTimestamp();

        var reply = await stage.PostAsync("/generate", FaultStage.Body(stream));

        Assert.Equal("service_unavailable_error", (string?)reply.Refused(503)["type"]);
        output.WriteLine($"from the request to both engines free: {await stage.FreeAsync(sent)}");
        Assert.DoesNotContain(stage.Decode, stage.Charged);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F03_Prefill_dies_after_its_KV_has_started(bool stream)
    {
        await using var stage = await FaultStage.StartAsync();
        var epoch = stage.SnapshotOf(stage.Prefill).Epoch;
        stage.Prefill.Faults.Add(new Fault(FaultKind.PartialKv) { Count = 1 });
        await using var pending = stage.Send("/generate", FaultStage.Body(stream));
        await FaultStage.UntilAsync(() => stage.Prefill.Faults.Active.Count == 0 && stage.Decode.Stats.TransferQueue == 1);
        var died = Stopwatch.GetTimestamp();

        await stage.Prefill.KillAsync();

        var reply = await pending.ReplyAsync();
        reply.Refused(503);
        var free = await stage.FreeAsync(died);
        output.WriteLine($"from the death to decode free: {free}");
        Assert.InRange(free, TimeSpan.Zero, AbortBound);
        Assert.Equal(1, stage.Decode.Stats.AbortedTotal);
        var told = await stage.ToldAsync(reply.Id);
        Assert.Equal(("prefill_broken", "prefill"), (told.Attempts[0]["reason"]!.ToString(), told.Blame()));
        Assert.Equal(WorkerPhase.Ready, stage.SnapshotOf(stage.Decode).Phase);

        await stage.Prefill.RestartAsync(FaultStage.Token);

        await FaultStage.UntilAsync(() => stage.SnapshotOf(stage.Prefill).Epoch > epoch);
    }

    [Fact]
    public async Task F03_Prefill_dies_with_half_of_a_batch_when_the_stream_has_begun()
    {
        await using var stage = await FaultStage.StartAsync(2, 2);
        // The first prompt's KV arrives and its answer is long; the second's is cut off in the middle.
        stage.Prefill.Faults.Add(new Fault(FaultKind.PartialKv) { Count = 1, RidPrefix = "half_1" });
        await using var pending = stage.Send(
            "/generate",
            """{"text":["one","two"],"rid":"half","stream":true,"sampling_params":{"max_new_tokens":4,"ignore_eos":true}}""");
        Assert.Equal(200, await pending.StatusAsync());
        await FaultStage.UntilAsync(() => stage.Prefill.Faults.Active.Count == 0);

        await stage.Prefill.KillAsync();

        var reply = await pending.ReplyAsync();
        Assert.Equal(503, (int)reply.Broken()["code"]!);
        Assert.All(reply.Events.SkipLast(1), e => Assert.Equal(0, (int)e["index"]!));
        await stage.FreeAsync();
        Assert.Single((await stage.ToldAsync(reply.Id)).Attempts);
        Assert.Equal(WorkerPhase.Ready, stage.SnapshotOf(stage.Decode).Phase);
    }

    [Fact]
    public async Task F03_Prefill_dies_before_the_first_byte_and_another_pair_serves()
    {
        await using var stage = await FaultStage.StartAsync(2, 1);
        stage.Prefill.Faults.Add(new Fault(FaultKind.PartialKv) { Count = 1 });
        await using var pending = stage.Send("/generate", FaultStage.Body());
        await FaultStage.UntilAsync(() => stage.Prefill.Faults.Active.Count == 0);

        await stage.Prefill.KillAsync();

        var reply = await pending.ReplyAsync();
        Assert.Equal(FaultStage.Good, reply.GoodText());
        await stage.FreeAsync();
        (await stage.ToldAsync(reply.Id)).WasRetriedAfresh();
    }
}
