using System.Diagnostics;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Aborts: many at once, and into an engine that does not take them.</summary>
[Collection(nameof(ReleaseTimes))]
public class F10ToF11Tests(ITestOutputHelper output)
{
    private const int InFlight = 500;
    private const int Leaving = 450;
    private const int Next = 100;

    [Fact]
    public async Task F10_Nine_in_ten_of_500_requests_in_flight_are_cancelled_at_once()
    {
        await using var stage = await FaultStage.StartAsync(engine: o => o with { MaxRunningRequests = 600, Speed = 1 });
        // Those that will leave ask for more than comes in a minute; nothing ends before all are there.
        var wedge = stage.Decode.Faults.Add(new Fault(FaultKind.WedgeDecode));
        var pending = Enumerable.Range(0, InFlight)
            .Select(i => stage.Send("/generate", FaultStage.Body(stream: i % 2 == 0, tokens: i < Leaving ? 4000 : 24))).ToArray();
        await FaultStage.UntilAsync(() => stage.Requests(stage.Decode) == InFlight
            && stage.Gateway.Dispatcher is { OpenPrefillLegs: 0, OpenDecodeLegs: InFlight });
        Assert.Equal(InFlight, stage.Decode.Stats.Occupied);
        stage.Decode.Faults.Remove(wedge);
        var cancelled = Stopwatch.GetTimestamp();

        await Task.WhenAll(pending.Take(Leaving).Select(p => p.LeaveAsync()));

        await FaultStage.UntilAsync(
            () => stage.Decode.Stats.AbortedTotal == Leaving && stage.Gateway.Metrics.Count("client_gone") == Leaving);
        var freed = Stopwatch.GetElapsedTime(cancelled);
        output.WriteLine($"from cancelling {Leaving} of {InFlight} to their slots free: {freed.TotalMilliseconds:0} ms");
        Assert.InRange(freed, TimeSpan.Zero, TimeSpan.FromSeconds(15));
        var rest = await Task.WhenAll(pending.Skip(Leaving).Select(p => p.ReplyAsync()));
        var next = await Task.WhenAll(Enumerable.Range(0, Next).Select(_ => stage.PostAsync("/generate", FaultStage.Body())));
        output.WriteLine($"from cancelling to the last of {Next} further answers: "
            + $"{Stopwatch.GetElapsedTime(cancelled).TotalMilliseconds:0} ms");
        Assert.All(rest.Concat(next), reply => Assert.Equal(FaultStage.Good, reply.GoodText()));
        await stage.FreeAsync();
        foreach (var one in pending)
            await one.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F11_Abort_calls_hang_and_the_capacity_is_free_all_the_same(bool stream)
    {
        await using var stage = await FaultStage.StartAsync();
        stage.Prefill.Faults.Add(new Fault(FaultKind.PartialKv));
        foreach (var engine in stage.Engines)
            engine.Faults.Add(new Fault(FaultKind.AbortHang));
        await using var pending = stage.Send(
            "/v1/completions", $$"""{"model":"sim","prompt":"x","max_tokens":4,"stream":{{(stream ? "true" : "false")}}}""");
        await FaultStage.UntilAsync(() => stage.Decode.Stats.TransferQueue == 1 && stage.Prefill.Stats.Occupied == 1);
        var left = Stopwatch.GetTimestamp();

        await pending.LeaveAsync();

        await FaultStage.UntilAsync(() => stage.Plane.Leases == 0 && stage.Gateway.Metrics.Active == 0);
        var released = Stopwatch.GetElapsedTime(left);
        output.WriteLine($"from the disconnect to the capacity free: {released.TotalMilliseconds:0} ms");
        Assert.InRange(released, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Equal((1, 1), (stage.Prefill.Stats.LiveRequests, stage.Decode.Stats.LiveRequests));

        foreach (var engine in stage.Engines)
            engine.Faults.Clear();

        output.WriteLine($"from the disconnect to both engines free: {(await stage.FreeAsync(left)).TotalMilliseconds:0} ms");
    }
}
