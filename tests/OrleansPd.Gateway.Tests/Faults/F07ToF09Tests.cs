using System.Diagnostics;
using OrleansPd.Engines.Attempts;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Nobody answers, or nobody waits any more.</summary>
public class F07ToF09Tests(ITestOutputHelper output)
{
    private static readonly TimeSpan AbortBound = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(FaultKind.Hang, false)]
    [InlineData(FaultKind.Hang, true)]
    [InlineData(FaultKind.WedgePrefill, false)]
    [InlineData(FaultKind.WedgePrefill, true)]
    public async Task F07_Prefill_never_answers(FaultKind fault, bool stream)
    {
        Assert.True(new DispatchOptions(
            ).FirstOutputTimeout < new SimulatedEngineOptions().WaitingTimeout, "by default our clock is the shorter one");
        await using var stage = await FaultStage.StartAsync(gateway: o => o.FirstOutputTimeoutSecs = 1);
        stage.Prefill.Faults.Add(new Fault(fault));
        var sent = Stopwatch.GetTimestamp();

        var reply = await stage.PostAsync("/generate", FaultStage.Body(stream));

        var error = reply.Refused(504);
        Assert.Equal(("timeout_error", "no_output"), ((string?)error["type"], reply.Code));
        var free = await stage.FreeAsync(sent) - TimeSpan.FromSeconds(1);
        output.WriteLine($"from the deadline to both engines free: {free}");
        Assert.InRange(free, TimeSpan.Zero, AbortBound);
        var told = await stage.ToldAsync(reply.Id);
        Assert.Equal(("no_output", "none"), (told.Reason, told.Blame()));
        Assert.Equal(1, stage.Gateway.Metrics.Count("no_output"));
        Assert.Empty(stage.Charged);
        Assert.Equal(1, stage.Decode.Stats.AbortedTotal);
    }

    [Theory]
    [InlineData("/generate", FaultKind.WedgePrefill, false)]
    [InlineData("/generate", FaultKind.WedgePrefill, true)]
    [InlineData("/generate", FaultKind.PartialKv, false)]
    [InlineData("/generate", FaultKind.PartialKv, true)]
    [InlineData("/v1/completions", FaultKind.PartialKv, false)]
    [InlineData("/v1/completions", FaultKind.PartialKv, true)]
    public async Task F08_Client_leaves_before_the_first_token(string path, FaultKind holds, bool stream)
    {
        await using var stage = await FaultStage.StartAsync();
        stage.Prefill.Faults.Add(new Fault(holds));
        var body = path == "/generate"
            ? FaultStage.Body(stream)
            : $$"""{"model":"sim","prompt":"{{FaultStage.Prompt}}","max_tokens":24,"stream":{{(stream ? "true" : "false")}}}""";
        await using var pending = stage.Send(path, body);
        await FaultStage.UntilAsync(() => stage.Decode.Stats.TransferQueue == 1 && stage.Prefill.Stats.Occupied == 1);
        var left = Stopwatch.GetTimestamp();

        await pending.LeaveAsync();

        var free = await stage.FreeAsync(left);
        output.WriteLine($"from the disconnect to both engines free: {free}");
        Assert.InRange(free, TimeSpan.Zero, AbortBound);
        Assert.Equal(1, stage.Decode.Stats.AbortedTotal);
        // Whoever is first ends it there: our abort, or the notice that the aborted decode sends its prefill.
        Assert.Equal(1, stage.Prefill.Stats.AbortedTotal + stage.Prefill.Stats.FailedTotal);
        await ClientGoneAsync(stage, pending.Id);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F09_Client_leaves_in_the_middle_of_the_answer(bool stream)
    {
        // At real speed 4,000 tokens take more than a minute.
        await using var stage = await FaultStage.StartAsync(engine: o => o with { Speed = 1 });
        await using var pending = stage.Send("/generate", FaultStage.Body(stream, tokens: 4000));
        if (stream)
            Assert.Equal(200, await pending.StatusAsync());
        await FaultStage.UntilAsync(() => stage.Decode.Stats.Running == 1 && stage.Gateway.Dispatcher.OpenPrefillLegs == 0);
        var left = Stopwatch.GetTimestamp();

        await pending.LeaveAsync();

        var free = await stage.FreeAsync(left);
        output.WriteLine($"from the disconnect to both engines free: {free}");
        Assert.InRange(free, TimeSpan.Zero, AbortBound);
        Assert.Equal(1, stage.Decode.Stats.AbortedTotal);
        // No leg is open, so nothing can be read any more; what was read is less than the answer.
        Assert.InRange((long)(await ClientGoneAsync(stage, pending.Id)).Call["events"]!, stream ? 1 : 0, 3999);
    }

    private static async Task<Told> ClientGoneAsync(FaultStage stage, string id)
    {
        var told = await stage.ToldAsync(id);
        Assert.Single(told.Attempts);
        Assert.Equal(("client_gone", "client"), (told.Reason, told.Blame()));
        Assert.Equal(1, stage.Gateway.Metrics.Count("client_gone"));
        Assert.Empty(stage.Charged);
        return told;
    }
}
