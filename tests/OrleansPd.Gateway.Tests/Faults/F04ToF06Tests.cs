using System.Diagnostics;
using OrleansPd.Core.Workers;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Faults of the decode leg.</summary>
public class F04ToF06Tests(ITestOutputHelper output)
{
    private static readonly TimeSpan AbortBound = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(FaultKind.Refuse, "decode_unreachable")]
    [InlineData(FaultKind.Reset, "decode_broken")]
    public async Task F04_Decode_breaks_the_connection_before_any_head(FaultKind fault, string reason)
    {
        await using var stage = await FaultStage.StartAsync(
            gateway: o => (o.ControlPlane.LivenessIntervalSecs, o.ControlPlane.DescribeIntervalSecs) = (3600, 3600));
        // Where a new connection is refused, one that a probe has left would break.
        await FaultStage.UntilAsync(() => stage.Decode.Connections == 0);
        // The prefill waits for its partner, by its own clock for 300 s.
        stage.Decode.Faults.Add(new Fault(fault));
        var sent = Stopwatch.GetTimestamp();

        var reply = await stage.PostAsync("/generate", FaultStage.Body());

        reply.Refused(503);
        var free = await stage.FreeAsync(sent);
        output.WriteLine($"from the request to both engines free: {free}");
        Assert.InRange(free, TimeSpan.Zero, AbortBound);
        var told = await stage.ToldAsync(reply.Id);
        Assert.Equal((reason, "decode"), (told.Attempts[0]["reason"]!.ToString(), told.Blame()));
        Assert.Equal(WorkerPhase.Ready, stage.SnapshotOf(stage.Prefill).Phase);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F05_Decode_fails_after_the_prefill_has_finished_and_another_pair_serves(bool stream)
    {
        await using var stage = await FaultStage.StartAsync(2, 2);
        var wedge = stage.Decode.Faults.Add(new Fault(FaultKind.WedgeDecode));
        stage.Decode.Faults.Add(new Fault(FaultKind.OutOfMemory) { Count = 1 });
        await using var pending = stage.Send("/generate", FaultStage.Body(stream));
        await FaultStage.UntilAsync(
            () => stage.Requests(stage.Prefill) == 1 && stage.Gateway.Dispatcher is { OpenPrefillLegs: 0, OpenDecodeLegs: 1 });

        stage.Decode.Faults.Remove(wedge);

        var reply = await pending.ReplyAsync();
        Assert.Equal(FaultStage.Good, reply.GoodText());
        await stage.FreeAsync();
        var told = await stage.ToldAsync(reply.Id);
        told.WasRetriedAfresh();
        Assert.Equal(("decode_error", "decode"), (told.Attempts[0]["reason"]!.ToString(), told.Blame()));
        Assert.NotEqual((string?)told.Attempts[0]["decode"], (string?)told.Attempts[1]["decode"]);
        Assert.Equal([stage.Decode], stage.Charged);
    }

    [Theory]
    [InlineData(false, 500)]
    [InlineData(true, 500)]
    public async Task F05_Decode_fails_after_the_prefill_has_finished_and_there_is_no_other_one(bool stream, int status)
    {
        await using var stage = await FaultStage.StartAsync();
        stage.Decode.Faults.Add(new Fault(FaultKind.OutOfMemory));

        var reply = await stage.PostAsync("/generate", FaultStage.Body(stream));

        Assert.Contains("Out of memory", (string)reply.Refused(status)["message"]!);
        await stage.FreeAsync();
        Assert.Equal([stage.Decode], stage.Charged);
    }

    [Fact]
    public async Task F05_Decode_fails_in_the_middle_of_a_stream_and_nothing_is_retried()
    {
        await using var stage = await FaultStage.StartAsync(2, 2);
        stage.Decode.Faults.Add(new Fault(FaultKind.OutOfMemory) { AfterTokens = 3 });

        var reply = await stage.PostAsync(
            "/v1/completions", """{"model":"sim","prompt":"hello","max_tokens":24,"stream":true}""");

        Assert.Contains("Out of memory", (string)reply.Broken()["message"]!);
        await stage.FreeAsync();
        Assert.Single((await stage.ToldAsync(reply.Id)).Attempts);
        Assert.Equal([stage.Decode], stage.Charged);
    }

    [Theory]
    [InlineData("/generate", null)]
    [InlineData("/v1/completions", """{"model":"sim","prompt":"hello","max_tokens":4000,"ignore_eos":true,"stream":true}""")]
    [InlineData("/v1/chat/completions",
        """{"model":"sim","messages":[{"role":"user","content":"hello"}],"max_tokens":4000,"ignore_eos":true,"stream":true}""")]
    public async Task F06_Decode_dies_in_the_middle_of_a_stream(string path, string? body)
    {
        // At real speed 4,000 tokens take more than a minute.
        await using var stage = await FaultStage.StartAsync(2, 2, engine: o => o with { Speed = 1 });
        await using var pending = stage.Send(path, body ?? FaultStage.Body(stream: true, tokens: 4000));
        Assert.Equal(200, await pending.StatusAsync());
        var died = Stopwatch.GetTimestamp();

        await stage.Decode.KillAsync();

        var reply = await pending.ReplyAsync();
        output.WriteLine($"from the death to all free: {await stage.FreeAsync(died)}");
        var error = reply.Broken();
        Assert.Equal((503, "service_unavailable_error"), ((int)error["code"]!, (string?)error["type"]));
        Assert.InRange(reply.Events.Count, 2, 3999);
        if (path == "/generate")
        {
            var whole = ReferenceModel.Complete(FaultStage.Prompt, 4000, new Sampling { IgnoreEos = true });
            Assert.StartsWith((string)reply.Events[^2]["text"]!, whole);
        }
        var told = await stage.ToldAsync(reply.Id);
        Assert.Single(told.Attempts);
        Assert.Equal("decode", told.Blame());
        Assert.Equal(1, stage.Gateway.Metrics.Count("decode_broken"));
        Assert.All(stage.Engines.Where(e => e != stage.Decode), e => Assert.Equal(WorkerPhase.Ready, stage.SnapshotOf(e).Phase));
    }
}
