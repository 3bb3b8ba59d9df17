using System.Diagnostics;
using System.Globalization;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;

namespace OrleansPd.Benchmarks.Fleets;

/// <summary>
/// <c>restart [--seconds N] [--rate N]</c>: kills a prefill under load and starts it again behind the same address, soon and after the
/// decode engines' heartbeats have missed it, with and without the bootstrap facade. Writes the table of docs/restart.md.
/// </summary>
internal static class RestartCommand
{
    private const int PromptTokens = 512;
    private const int AnswerTokens = 32;
    private const double KillAfter = 3;

    /// <summary>Seconds without a process: less, and more, than two heartbeats of a decode engine (5 s each).</summary>
    private static readonly double[] Downs = [1, 12];

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (seconds, rate) = (arguments.Number("--seconds", 40), arguments.Number("--rate", 20));
        Console.WriteLine("| prefills | down s | facade | requests | lost | retried | back in rotation after s | p50 ms | longest wait for a first token s |");
        Console.WriteLine("|---:|---:|---|---:|---:|---:|---:|---:|---:|");
        var lostWithFacade = 0;
        foreach (var (prefills, down, facade) in
            from prefills in (int[])[1, 2]
            from down in Downs
            from facade in (
                bool[])[false, true]
            select (prefills, down, facade))
        {
            var run = await RunAsync(prefills, facade, seconds, rate, down);
            lostWithFacade += facade && prefills > 1 ? run.Lost : 0; // alone it leaves nobody to go to while it is down
            var back = run.Back is { } found ? found.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)
                : $"not in {seconds}";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {prefills} | {down} | {(facade ? "on" : "off")} | {run.Requests} | {run.Lost} | {run.Retried} | {back} | {run.Median:0} | {run.Longest:0.0} |"));
            foreach (var (problem, count) in run.Problems)
                Console.Error.WriteLine($"  {count} x {problem}");
        }
        return lostWithFacade == 0 ? 0 : 1;
    }

    private static async Task<Run> RunAsync(int prefills, bool facade, double seconds, double rate, double down)
    {
        var options = new GatewayOptions();
        options.ControlPlane.Policy = "round_robin";
        options.ControlPlane.QueueSize = 10_000; // what is lost is to be lost by the restart, not by a short queue
        options.ControlPlane.BootstrapFacade = facade;
        options.ControlPlane.FacadeHost = "127.0.0.1";
        var engine = new SimulatedEngineOptions { Speed = 4, DpSize = 2, IncrementalStreamingOutput = true };
        await using var stage = await BenchStage.StartAsync(
        [
            .. Enumerable.Repeat(engine with { Role = EngineRole.Prefill }, prefills),
            .. Enumerable.Repeat(engine with { Role = EngineRole.Decode }, 2),
        ], options, CancellationToken.None);
        using var client = new StreamClient(stage.Gateway.Url, 10_000);
        var bodies = Enumerable.Range(0, 64).Select(i => StreamClient.Body(Prompt(i), AnswerTokens)).ToArray();
        var restart = RestartAsync(
            stage, TimeSpan.FromSeconds(KillAfter), TimeSpan.FromSeconds(down), TimeSpan.FromSeconds(seconds));
        var asked = new List<Task<Outcome>>();
        var begin = client.Now;
        while (client.Now - begin is var past && past.TotalSeconds < seconds)
        {
            var wait = TimeSpan.FromSeconds(asked.Count / rate) - past;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            asked.Add(client.AskAsync(bodies[asked.Count % bodies.Length], CancellationToken.None));
        }
        var outcomes = await Task.WhenAll(asked);
        return new Run(
            outcomes.Length,
            outcomes.Count(o => o.Problem is not null),
            stage.Gateway.Dispatcher.Retries,
            await restart,
            outcomes.Max(o => o.FirstOutput.TotalSeconds),
            outcomes.Select(o => o.FirstOutput.TotalMilliseconds).Order().ElementAt(outcomes.Length / 2),
            [.. outcomes.Where(o => o.Problem is not null).GroupBy(o => o.Problem![..Math.Min(160, o.Problem!.Length)])
                .Select(g => (g.Key, g.Count())).OrderByDescending(g => g.Item2).Take(3)]);
    }

    /// <summary>Time from the start of the new process until the gateway uses it; null = not within the limit.</summary>
    private static async Task<TimeSpan?> RestartAsync(BenchStage stage, TimeSpan after, TimeSpan down, TimeSpan limit)
    {
        var prefill = stage.Prefill.First();
        await Task.Delay(after);
        await prefill.KillAsync();
        await Task.Delay(down);
        var started = Stopwatch.GetTimestamp();
        await prefill.RestartAsync();
        try
        {
            await stage.UntilAsync(
                _ => stage.SnapshotOf(prefill) is { Epoch: > 1, Phase: WorkerPhase.Ready }, limit, CancellationToken.None);
            return Stopwatch.GetElapsedTime(started);
        }
        catch (TimeoutException)
        {
            Console.Error.WriteLine($"  {stage.SnapshotOf(prefill).Reason}");
            return null;
        }
    }

    private static int[] Prompt(int index) =>
        [.. Enumerable.Range(0, PromptTokens).Select(i => 1000 + (((index * 7919) + (i * 104_729)) % 29_000))];

    private sealed record Run(int Requests, int Lost, long Retried, TimeSpan? Back, double Longest, double Median, (
        string Problem, int Count)[] Problems);
}
