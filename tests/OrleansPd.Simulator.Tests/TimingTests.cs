using System.Diagnostics;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Simulator.Tests;

public sealed class TimingTests
{
    [Fact]
    public void Defaults_reproduce_the_published_figures()
    {
        var timing = new TimingModel();
        Assert.Equal(52_300, 8 * 100_000 / (timing.Prefill(100_000) - timing.PrefillOverhead).TotalSeconds, tolerance: 10);
        Assert.Equal(22_300, 8 * 256 / timing.Step(256).TotalSeconds, tolerance: 150);
        Assert.Equal(0.1405, (timing.Transfer(100_000) - timing.TransferOverhead).TotalSeconds, tolerance: 0.001);
    }

    [Fact]
    public async Task Steps_are_paced_by_the_model_and_the_speed()
    {
        await using var engine = await SimulatedEngine.StartAsync(
            Pair.Fast(EngineRole.Regular) with { Speed = 10 }, null, Pair.Ct);
        var body = PairOutputTests.Generate("pace", 51);
        body["sampling_params"]!["ignore_eos"] = true;
        var started = Stopwatch.GetTimestamp();
        await Pair.SendAsync(engine, "/generate", body);
        // 50 steps of 20.28 ms at ten times real time; how much longer it takes is the machine's affair.
        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.FromMilliseconds(95), TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_slow_rank_takes_longer()
    {
        await using var engine = await SimulatedEngine.StartAsync(Pair.Fast(EngineRole.Regular), null, Pair.Ct);
        engine.Faults.Add(new Fault(FaultKind.Slow) { Factor = 20 });
        var started = Stopwatch.GetTimestamp();
        var body = PairOutputTests.Generate("pace", 6);
        body["sampling_params"]!["ignore_eos"] = true;
        await Pair.SendAsync(engine, "/generate", body);
        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));
    }
}
