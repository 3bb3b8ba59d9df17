using System.Diagnostics;
using System.Globalization;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>
/// The time from a leg's failure, or from the client's disconnect, to the moment at which both engines and the gateway are free
/// of the request. <c>ORLEANSPD_MEASURE</c> sets how often each fault is injected (default 5) and asks for the bound that holds
/// on an idle machine.
/// </summary>
[Collection(nameof(ReleaseTimes))]
public class ReleaseTimes(ITestOutputHelper output)
{
    private static readonly int Times = int.Parse(
        Environment.GetEnvironmentVariable("ORLEANSPD_MEASURE") ?? "5", CultureInfo.InvariantCulture);
    private static readonly TimeSpan Bound = TimeSpan.FromMilliseconds(Times > 5 ? 100 : 10_000);
    private readonly List<string> _late = [];

    [Fact]
    public async Task Both_engines_are_free_soon_after_each_fault()
    {
        output.WriteLine("| fault | counted from | n | p50 ms | p99 ms | max ms |");
        output.WriteLine("| --- | --- | ---: | ---: | ---: | ---: |");
        await RowAsync("F01 prefill answers 4xx", "the request", F01, engine: o =>
            o.Role == EngineRole.Prefill ? o with { ContextLength = 64 } : o);
        await RowAsync("F02 prefill answers 5xx", "the request", stage => StruckAsync(stage, stage.Prefill, FaultKind.Status));
        await RowAsync("F02 prefill resets the connection", "the request", stage =>
            StruckAsync(stage, stage.Prefill, FaultKind.Reset));
        await RowAsync("F03 prefill dies in the transfer", "the kill", F03, fresh: true);
        await RowAsync("F04 decode resets before a head", "the request", stage =>
            StruckAsync(stage, stage.Decode, FaultKind.Reset));
        await RowAsync("F05 decode answers 5xx after the prefill", "the failure", F05);
        await RowAsync("F06 decode dies in mid-stream", "the kill", F06, fresh: true, engine: o => o with { Speed = 1 });
        await RowAsync("F07 prefill never answers", "the deadline", F07);
        await RowAsync("F08 client leaves in the prefill", "the disconnect", stage =>
            LeaveEarlyAsync(stage, FaultKind.WedgePrefill));
        await RowAsync("F08 client leaves in the transfer", "the disconnect", stage =>
            LeaveEarlyAsync(stage, FaultKind.PartialKv));
        await RowAsync("F09 client leaves a stream", "the disconnect", stage =>
            LeaveLateAsync(stage, stream: true), engine: o => o with { Speed = 1 });
        await RowAsync("F09 client leaves a plain answer", "the disconnect", stage =>
            LeaveLateAsync(stage, stream: false), engine: o => o with { Speed = 1 });
        Assert.Empty(_late);
    }

    private static async Task<long> F01(FaultStage stage)
    {
        var ids = string.Join(',', Enumerable.Range(1, 64));
        var struck = Stopwatch.GetTimestamp();
        await stage.PostAsync("/generate", $$"""{"input_ids":[{{ids}}]}""");
        return struck;
    }

    /// <summary>The engine strikes when the request has come, so this counts the way there too.</summary>
    private static async Task<long> StruckAsync(FaultStage stage, SimulatedEngine engine, FaultKind kind)
    {
        engine.Faults.Add(new Fault(kind) { Count = 1 });
        var struck = Stopwatch.GetTimestamp();
        await stage.PostAsync("/generate", FaultStage.Body());
        return struck;
    }

    private static async Task<long> F03(FaultStage stage)
    {
        stage.Prefill.Faults.Add(new Fault(FaultKind.PartialKv) { Count = 1 });
        await using var pending = stage.Send("/generate", FaultStage.Body());
        await FaultStage.UntilAsync(() => stage.Prefill.Faults.Active.Count == 0 && stage.Decode.Stats.TransferQueue == 1);
        var struck = Stopwatch.GetTimestamp();
        await stage.Prefill.KillAsync();
        await pending.ReplyAsync();
        return struck;
    }

    private static async Task<long> F05(FaultStage stage)
    {
        var wedge = stage.Decode.Faults.Add(new Fault(FaultKind.WedgeDecode));
        var memory = stage.Decode.Faults.Add(new Fault(FaultKind.OutOfMemory));
        await using var pending = stage.Send("/generate", FaultStage.Body());
        await FaultStage.UntilAsync(
            () => stage.Gateway.Dispatcher is { OpenPrefillLegs: 0, OpenDecodeLegs: 1 } && stage.Decode.Stats.Occupied == 1);
        stage.Decode.Faults.Remove(memory);
        var struck = Stopwatch.GetTimestamp();
        stage.Decode.Faults.Remove(wedge);
        await pending.ReplyAsync();
        return struck;
    }

    private static async Task<long> F06(FaultStage stage)
    {
        await using var pending = stage.Send("/generate", FaultStage.Body(stream: true, tokens: 4000));
        await pending.StatusAsync();
        var struck = Stopwatch.GetTimestamp();
        await stage.Decode.KillAsync();
        await pending.ReplyAsync();
        return struck;
    }

    private static async Task<long> F07(FaultStage stage)
    {
        stage.Prefill.Faults.Add(new Fault(FaultKind.Hang) { Count = 1 });
        var sent = Stopwatch.GetTimestamp();
        await stage.PostAsync("/generate", FaultStage.Body());
        return sent + Stopwatch.Frequency;
    }

    private static async Task<long> LeaveEarlyAsync(FaultStage stage, FaultKind holds)
    {
        var id = stage.Prefill.Faults.Add(new Fault(holds));
        await using var pending = stage.Send("/generate", FaultStage.Body());
        await FaultStage.UntilAsync(() => stage.Decode.Stats.TransferQueue == 1 && stage.Prefill.Stats.Occupied == 1);
        var struck = Stopwatch.GetTimestamp();
        await pending.LeaveAsync();
        await stage.FreeAsync();
        var free = Stopwatch.GetTimestamp();
        stage.Prefill.Faults.Remove(id);
        return struck + Stopwatch.GetTimestamp() - free;
    }

    private static async Task<long> LeaveLateAsync(FaultStage stage, bool stream)
    {
        await using var pending = stage.Send("/generate", FaultStage.Body(stream, tokens: 4000));
        await FaultStage.UntilAsync(() => stage.Decode.Stats.Running == 1 && stage.Gateway.Dispatcher.OpenPrefillLegs == 0);
        if (stream)
            await pending.StatusAsync();
        var struck = Stopwatch.GetTimestamp();
        await pending.LeaveAsync();
        return struck;
    }

    /// <param name="name">Of the fault.</param>
    /// <param name="from">What the time is counted from.</param>
    /// <param name="inject">Injects it, waits for the answer, and tells when it struck.</param>
    /// <param name="fresh">The fault ends an engine: each needs engines of its own.</param>
    /// <param name="engine">How engines differ from the usual ones.</param>
    private async Task RowAsync(
        string name, string from, Func<FaultStage, Task<long>> inject, bool fresh =
            false, Func<SimulatedEngineOptions, SimulatedEngineOptions>? engine = null)
    {
        var times = new List<TimeSpan>();
        while (times.Count < Times)
        {
            await using var stage = await FaultStage.StartAsync(gateway: Options, engine: engine);
            if (!fresh)
            {
                // The first requests are compiled as they run.
                await stage.FreeAsync(await inject(stage));
                await stage.FreeAsync(await inject(stage));
            }
            do
            {
                times.Add(await stage.FreeAsync(await inject(stage)));
            }
            while (!fresh && times.Count < Times);
        }
        times.Sort();
        var (p50, p99) = (times[times.Count / 2], times[(int)Math.Ceiling(times.Count * 0.99) - 1]);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {from} | {times.Count} | {p50.TotalMilliseconds:0.0} | {p99.TotalMilliseconds:0.0} | "
                + $"{times[^1].TotalMilliseconds:0.0} |"));
        if (p99 >= Bound)
            _late.Add($"{name}: p99 {p99.TotalMilliseconds} ms");

        static void Options(GatewayOptions options)
        {
            options.RetryMaxRetries = 0;
            options.FirstOutputTimeoutSecs = 1;
            options.ControlPlane.CbFailureThreshold = 1_000_000;
            options.ControlPlane.CbMinRequests = 1_000_000;
        }
    }
}

/// <summary>Tests that measure run alone.</summary>
[CollectionDefinition(nameof(ReleaseTimes), DisableParallelization = true)]
public class Alone;
