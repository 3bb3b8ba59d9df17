using System.Globalization;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Testing;

namespace OrleansPd.Benchmarks.Fleets;

/// <summary>
/// <c>policies [--speed N] [--seeds N]</c>: times to the first token by policy where prompts share prefixes, with simulated engines
/// in this process. Writes the tables of docs/policies.md.
/// </summary>
internal static class PoliciesCommand
{
    private const int Ranks = 8;
    private const string ByEngine = "total_tokens (engine)";

    private static readonly string[] Policies =
        ["cache_aware", "consistent_hashing", "least_load", "power_of_two", "round_robin", "random", ByEngine];

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var speed = arguments.Number("--speed", 3);
        var seeds = (int)arguments.Number("--seeds", 2);
        var failed = 0;
        foreach (var (title, workload, cache) in Workloads())
        {
            Console.WriteLine($"\n### {title}\n");
            Console.WriteLine("| policy | mean TTFT ms | p50 | p90 | p99 | prompt tokens computed | requests/s |");
            Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|");
            foreach (var policy in arguments.Words is [var only, ..] ? [only] : Policies)
            {
                var runs = new List<Run>();
                for (var seed = 1; seed <= seeds; seed++)
                    runs.Add(await RunAsync(policy, workload with { Seed = seed }, cache, speed));
                failed += runs.Sum(r => r.Failed);
                var times = runs.SelectMany(r => r.FirstTokenMs).Order().ToArray();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {policy} | {times.Average():0} | {At(times, 0.5):0} | {At(times, 0.9):0} | {At(times, 0.99):0} | {runs.Average(r => r.Computed):0 %} | {runs.Average(r => r.PerSecond):0.0} |"));
            }
        }
        Console.WriteLine($"\n{failed} requests failed.");
        return failed == 0 ? 0 : 1;
    }

    private static IEnumerable<(string Title, SharedPrefixWorkload Workload, int CacheTokens)> Workloads()
    {
        yield return ("16 groups of 32 requests, each group with a system prompt of 4,096 tokens", new(), 360_064);
        yield return ("The same with caches of 30,000 tokens a rank: less than all system prompts together", new(), 30_016);
        yield return ("The same 512 requests, 26 % of them of one group", new() { HotShare = 0.26 }, 360_064);
    }

    private static async Task<Run> RunAsync(string policy, SharedPrefixWorkload workload, int cacheTokens, double speed)
    {
        var byEngine = policy == ByEngine;
        var engine = new SimulatedEngineOptions
        {
            Speed = speed,
            DpSize = Ranks,
            MaxRunningRequests = Ranks * 128,
            IncrementalStreamingOutput = true,
        };
        var options = new GatewayOptions();
        options.ControlPlane.Policy = byEngine ? "round_robin" : policy;
        options.ControlPlane.DecodePolicy = "least_load";
        options.ControlPlane.DpRanks = byEngine ? DpRankMode.Engine : DpRankMode.Explicit;
        options.ControlPlane.HealthIntervalSecs = 0;
        await using var stage = await BenchStage.StartAsync(
        [
            engine with { Role = EngineRole.Prefill, TokenCapacity = cacheTokens, LoadBalanceMethod = byEngine ? "total_tokens"
                : "auto" },
            engine with { Role = EngineRole.Decode },
        ], options, CancellationToken.None);
        using var client = new StreamClient(stage.Gateway.Url, workload.Concurrency);
        var order = workload.Order();
        var outcomes = new Outcome[order.Length];
        var next = -1;
        var begin = client.Now;
        await Task.WhenAll(Enumerable.Range(0, workload.Concurrency).Select(async _ =>
        {
            for (var i = Interlocked.Increment(ref next); i < order.Length; i = Interlocked.Increment(ref next))
            {
                outcomes[i] = await client.AskAsync(
                    StreamClient.Body(workload.Prompt(i, order[i]), workload.AnswerTokens), CancellationToken.None);
            }
        }));
        var elapsed = (client.Now - begin).TotalSeconds * speed;
        foreach (var failure in outcomes.Where(o => o.Problem is not null).Take(3))
            Console.Error.WriteLine($"{policy}: {failure.Problem}");
        var stats = stage.Prefill.Single().Stats.Ranks;
        return new Run(
            [.. outcomes.Select(o => o.FirstOutput.TotalMilliseconds * speed)],
            1 - (stats.Sum(r => (double)r.CacheHitTokens) / ((double)workload.Count * workload.PromptTokens)),
            workload.Count / elapsed,
            outcomes.Count(o => o.Problem is not null));
    }

    private static double At(double[] sorted, double share) => sorted[(int)Math.Min(sorted.Length - 1, share * sorted.Length)];

    private sealed record Run(double[] FirstTokenMs, double Computed, double PerSecond, int Failed);
}
