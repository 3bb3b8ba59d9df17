using System.Globalization;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>One kind of load.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Payload">What is sent.</param>
/// <param name="Connections">Requests at a time.</param>
/// <param name="Requests">In one run.</param>
/// <param name="Pace">Nanoseconds between events of a stream; 0 for plain answers.</param>
internal sealed record BenchCase(string Name, Payload Payload, int Connections, int Requests, long Pace = 0)
{
    public const int Events = 128;

    /// <summary>The case that most of the code is warmed by.</summary>
    public const string Small = "1 KB";

    /// <summary>CPU is told per event, not per request.</summary>
    public bool PerEvent => Payload.Stream;

    public static IReadOnlyList<BenchCase> All(double scale) =>
    [
        new("1 KB", new("1 KB", 1024, stream: false), 32, Count(40_000, scale)),
        new("64 KB", new("64 KB", 64 * 1024, stream: false), 8, Count(6_000, scale)),
        new("1 MB", new("1 MB", 1 << 20, stream: false), 4, Count(500, scale)),
        new("1 MB ids", new("1 MB ids", 1 << 20, stream: false, ids: true), 4, Count(500, scale)),
        new("paced SSE", new("paced SSE", 1024, stream: true), 64, Count(192, scale), Pace: 5_000_000),
        new("one client", new("one client", 1024, stream: false), 1, Count(6_000, scale)),
    ];

    /// <summary>
    /// Short loads that go through all the code of the cases: streams without their pace, as their events are many.
    /// </summary>
    public static IEnumerable<BenchCase> Warming() => All(1).Select(load => load with
    {
        Requests = load.Connections switch { >= 32 when !load.PerEvent => 20_000, >= 32 => 600, 8 => 500, 4 => 40, _ => 200 },
        Pace = 0,
    });

    private static int Count(int full, double scale) => Math.Max(4, (int)(full * scale));
}

/// <summary>The figures of one run. Times in microseconds, memory in bytes; NaN = not measured.</summary>
internal sealed record Sample(
    double Cpu, double PerSecond, double P50, double P99, double EventP50, double EventP99, double Allocated, double Peak,
    double Busy);

/// <summary>Runs one case against one contender and checks that all went right.</summary>
internal sealed class Bench(EventLoop loop, StubPlan plan)
{
    public Sample Run(Contender contender, BenchCase load)
    {
        loop.Ask(() =>
        {
            plan.Reset();
            (plan.Payload, plan.Pace, plan.Events) = (load.Payload, load.Pace, BenchCase.Events);
            return true;
        });
        var allocated = AllocatedBy(contender);
        if (contender.Id != 0)
            ProcessMeter.ForgetPeak(contender.Id);
        var cpu = contender.Id == 0 ? 0 : ProcessMeter.CpuSeconds(contender.Id);
        var result = Generator.Run(loop, contender.Port, load.Payload, load.Connections, load.Requests, load.PerEvent
            ? BenchCase.Events : 0, contender.Key);
        cpu = contender.Id == 0 ? double.NaN : ProcessMeter.CpuSeconds(contender.Id) - cpu;
        allocated = AllocatedBy(contender) - allocated;
        if ((result.Problem ?? Settled(contender, load)) is { } problem)
            throw new InvalidOperationException($"{contender.Name}, {load.Name}: {problem}");
        var units = load.PerEvent ? result.Events : result.Requests;
        return new Sample(
            cpu * 1e6 / units, units / result.Seconds, result.P50, result.P99,
            load.PerEvent ? result.EventP50 : double.NaN, load.PerEvent ? result.EventP99 : double.NaN,
            allocated / result.Requests, contender.Id == 0 ? double.NaN
                : ProcessMeter.PeakMemory(contender.Id), cpu / result.Seconds);
    }

    /// <summary>Bytes of memory that one idle stream costs, and what the process has with all of them.</summary>
    /// <param name="contender">Whose memory.</param>
    /// <param name="streams">In all; the first of them are not counted.</param>
    public (double PerStream, double Peak) Idle(Contender contender, int streams)
    {
        var payload = new Payload("idle", 1024, stream: true);
        loop.Ask(() =>
        {
            plan.Reset();
            (plan.Payload, plan.Pace) = (payload, -1);
            return true;
        });
        // The first few bring what is there once: code, pools, tables.
        var before = 0L;
        IdleStreams? first = null;
        var warm = Math.Min(500, streams / 4);
        first = Generator.Open(loop, contender.Port, payload, warm);
        before = Settle(contender);
        var rest = Generator.Open(loop, contender.Port, payload, streams - warm);
        var after = Settle(contender);
        loop.Ask(() =>
        {
            plan.Idle.ForEach(stream => stream.EndStream());
            plan.Idle.Clear();
            // Whoever asks next wants an answer.
            (plan.Payload, plan.Pace) = (null, 0);
            return true;
        });
        foreach (var ended in (Task<LoadResult>[])[first.Ended, rest.Ended])
        {
            if (loop.Wait(ended) is { Problem: { } problem })
                throw new InvalidOperationException($"{contender.Name}, idle streams: {problem}");
        }
        return ((double)(after - before) / (streams - warm), after);
    }

    /// <summary>Memory when it has come to rest: a collector gives back what it does not need only after a while.</summary>
    private static long Settle(Contender contender)
    {
        if (contender.IsOurs)
            _ = AllocatedBy(contender);
        Thread.Sleep(1500);
        return ProcessMeter.Memory(contender.Id);
    }

    private string? Settled(Contender contender, BenchCase load)
    {
        // The prefill leg may still be on its way in when the client has its answer.
        for (var tries = 0; ; tries++)
        {
            var problem = loop.Ask(() => plan.Problem(contender.IsPair, load.Requests));
            if (problem is null || tries == 20)
                return problem;
            Thread.Sleep(10);
        }
    }

    /// <summary>Managed bytes allocated so far, as our own metrics tell; NaN for others.</summary>
    private static double AllocatedBy(Contender contender)
    {
        if (!contender.IsOurs)
            return double.NaN;
        using var client = new HttpClient();
        var text = client.GetStringAsync($"http://127.0.0.1:{contender.Port}/metrics").GetAwaiter().GetResult();
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("dotnet_gc_allocated_bytes_total ", StringComparison.Ordinal))
                return double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
        }
        return double.NaN;
    }
}
