using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// <c>gateway</c>: the whole gateway beside nginx and haproxy, in turn on the same core, with the load on another. What is
/// compared is compared within one run.
/// </summary>
internal static class GatewayBench
{
    public static int Run(string[] arguments)
    {
        if (BenchFlags.Parse(arguments) is not { } flags)
        {
            Console.Error.WriteLine(BenchFlags.Usage);
            return 2;
        }
        if (!OperatingSystem.IsLinux())
        {
            Console.Error.WriteLine("The gateway benchmark needs Linux (epoll, /proc).");
            return 1;
        }
        var cores = Limits.Cores;
        if (cores is { } own)
            Native.Pin(own.Load);
        else
            Say("SKIPPED: pinning (one core, or no taskset): figures per core mean little");
        using var loop = new EventLoop();
        var plan = new StubPlan();
        var prefill = new StubEngine(loop, plan, isPrefill: true, flags.Address);
        var decode = new StubEngine(loop, plan, isPrefill: false, flags.Address);
        var bench = new Bench(loop, plan);
        var table = new ResultTable(flags);
        var all = new List<Contender>();
        try
        {
            if (flags.WantsPeers)
            {
                foreach (var contender in flags.Contenders(prefill.Port, decode.Port, cores?.Gateway, Say))
                    all.Add(contender);
                Warm(bench, all, flags);
            }
            foreach (var load in BenchCase.All(flags.Scale).Where(c => flags.Wants(c.Name)))
            {
                for (var run = 0; run < flags.Runs; run++)
                {
                    foreach (var contender in all)
                        table.Add(load, contender.Name, bench.Run(contender, load));
                }
                Console.WriteLine(table.Of(load.Name));
            }
            foreach (var count in (int[])[1000, Limits.IdleStreams])
            {
                if (flags.Wants($"{count} idle"))
                {
                    foreach (var contender in all.Where(c => c.Id != 0))
                    {
                        var (each, peak) = bench.Idle(contender, count);
                        table.AddIdle(contender.Name, count, each, peak);
                    }
                }
            }
        }
        catch (Exception e) when (e is InvalidOperationException or IOException or AggregateException)
        {
            Console.Error.WriteLine($"FAILED: {e.GetBaseException()}");
            return 1;
        }
        finally
        {
            all.ForEach(contender => contender.Dispose());
        }
        if (flags.Wants("start"))
            Start(loop, flags, table, prefill.Port, decode.Port, cores?.Gateway);
        if (flags.Wants("fleet"))
            Fleet(bench, flags, table, prefill.Port, decode.Port, cores?.Gateway);
        if (flags.Wants("variants"))
            Variants(bench, flags, table, prefill.Port, decode.Port, cores?.Gateway);
        Console.WriteLine(table.Markdown());
        table.Write();
        return 0;
    }

    private static void Warm(Bench bench, List<Contender> all, BenchFlags flags)
    {
        var small = BenchCase.All(1)[0];
        foreach (var contender in all.Where(c => c.Id != 0))
        {
            contender.AwaitReady(small.Payload);
            if (contender.IsOurs)
                Settle(bench, contender, flags);
        }
    }

    /// <summary>
    /// Code that is run often is compiled anew, in steps and in the background, on the very core that is measured: until that is
    /// over it is another program. It is over when some rounds in a row were no better than the best before them.
    /// </summary>
    private static void Settle(Bench bench, Contender contender, BenchFlags flags)
    {
        const int LeastRounds = 14;
        const int MostRounds = 30;
        const int Patience = 4;
        var best = double.MaxValue;
        for (int round = 0, since = 0; round < LeastRounds || (round < MostRounds && since < Patience); round++, since++)
        {
            foreach (var load in BenchCase.Warming().Where(c => flags.Wants(c.Name) || round == 0 || c.Name == BenchCase.Small))
            {
                var cpu = bench.Run(contender, load).Cpu;
                if (load.Name == BenchCase.Small && cpu < best * 0.97)
                    (best, since) = (cpu, 0);
            }
        }
    }

    /// <summary>From the start of the process to the first 200 of /readiness, the engines being there.</summary>
    private static void Start(EventLoop loop, BenchFlags flags, ResultTable table, int prefill, int decode, int? core)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        for (var run = 0; run < flags.Runs; run++)
        {
            using var ours = Contender.Ours(
                "orleanspd", [], [($"http://127.0.0.1:{prefill}", prefill)], [$"http://127.0.0.1:{decode}"], core);
            var listening = EventLoop.Now;
            while (true)
            {
                using var answer = client.GetAsync($"http://127.0.0.1:{ours.Port}/readiness").GetAwaiter().GetResult();
                if (answer.IsSuccessStatusCode)
                    break;
                Thread.Sleep(2);
            }
            table.AddStart((listening - ours.StartedAt) / 1e6, (EventLoop.Now - ours.StartedAt) / 1e6);
        }
    }

    /// <summary>The same load with few and with many workers, in turn.</summary>
    private static void Fleet(Bench bench, BenchFlags flags, ResultTable table, int prefill, int decode, int? core)
    {
        var load = BenchCase.All(flags.Scale)[0];
        // Long enough that the connections which were closed while the other was measured are few beside what is measured.
        var measured = load with { Requests = load.Requests * 4 };
        var fleets = ((int[])[4, 1000]).Select(workers => (Workers: workers, Gateway: OfSize(workers))).ToArray();
        try
        {
            foreach (var (workers, gateway) in fleets)
            {
                gateway.AwaitReady(load.Payload);
                AwaitWorkers(gateway, workers);
                Settle(bench, gateway, flags);
            }
            for (var run = 0; run < flags.Runs; run++)
            {
                foreach (var (workers, gateway) in fleets)
                {
                    _ = bench.Run(gateway, load);
                    table.AddFleet(workers, bench.Run(gateway, measured));
                }
            }
        }
        finally
        {
            Array.ForEach(fleets, fleet => fleet.Gateway.Dispose());
        }

        Contender OfSize(int workers) => Contender.Ours(
            $"{workers} workers", [],
            Enumerable.Range(1, workers / 2).Select(i => ($"http://127.1.{i / 250}.{(i % 250) + 1}:{prefill}", prefill)),
            Enumerable.Range(1, workers / 2).Select(i => $"http://127.2.{i / 250}.{(i % 250) + 1}:{decode}"), core);
    }

    /// <summary>
    /// Our gateway beside itself: with spans exported and keys checked, without its prefix index, and in a silo.
    /// </summary>
    private static void Variants(Bench bench, BenchFlags flags, ResultTable table, int prefill, int decode, int? core)
    {
        const string Key = "bench-key";
        var loads = BenchCase.All(flags.Scale).Where(load => load.Name is BenchCase.Small or "1 MB ids").ToArray();
        (string, int) first = ($"http://127.0.0.1:{prefill}", prefill);
        var second = $"http://127.0.0.1:{decode}";
        var all = new List<Contender>();
        var helpers = new List<Contender>();
        try
        {
            all.Add(Contender.Ours("orleanspd", [], [first], [second], core));
            string[] told = ["--enable-trace", "--otlp-traces-endpoint", $"http://127.0.0.1:{prefill}/v1/traces", "--client-keys",
                $"name=bench,key={Key}"];
            all.Add(Contender.Ours("spans and keys", told, [first], [second], core, Key));
            all.Add(Contender.Ours("round_robin", ["--policy", "round_robin"], [first], [second], core));
            if (!Limits.Has("redis-server"))
            {
                Say("SKIPPED: the silo (redis-server is not installed); what a cluster costs is not measured");
            }
            else
            {
                helpers.Add(Contender.Redis());
                all.Add(Contender.Silo(helpers[0].Port, first, second, core));
            }
            foreach (var contender in all)
            {
                contender.AwaitReady(loads[0].Payload);
                Settle(bench, contender, flags);
            }
            foreach (var load in loads)
            {
                for (var run = 0; run < flags.Runs; run++)
                {
                    foreach (var contender in all)
                        table.Add(load with { Name = $"variants, {load.Name}" }, contender.Name, bench.Run(contender, load));
                }
            }
        }
        finally
        {
            all.ForEach(contender => contender.Dispose());
            helpers.ForEach(helper => helper.Dispose());
        }
    }

    private static void AwaitWorkers(Contender gateway, int workers)
    {
        using var client = new HttpClient();
        var clock = Stopwatch.StartNew();
        while (true)
        {
            using var told = JsonDocument.Parse(
                client.GetStringAsync($"http://127.0.0.1:{gateway.Port}/readiness").GetAwaiter().GetResult());
            var ready = told.RootElement.GetProperty("prefill").GetInt32() + told.RootElement.GetProperty("decode").GetInt32();
            if (ready == workers)
            {
                Say(string.Create(CultureInfo.InvariantCulture,
                    $"{workers} workers ready after {clock.Elapsed.TotalSeconds:0.0} s"));
                return;
            }
            if (clock.Elapsed > TimeSpan.FromSeconds(120))
                throw new InvalidOperationException($"only {ready} of {workers} workers became ready");
            Thread.Sleep(100);
        }
    }

    private static void Say(string text) => Console.WriteLine($"!! {text}");
}
