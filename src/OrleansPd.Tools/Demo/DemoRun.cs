using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Demo;

/// <summary>
/// The demo:
/// <list type="number">
/// <item>start engines and gateway, and wait until every engine is ready;</item>
/// <item>send one chat and show the gateway's decisions about it;</item>
/// <item>send the trace and compare each answer with that of a single engine;</item>
/// <item>query gateway and engines for anything left over;</item>
/// <item>report; any problem is a failure, else the gateway keeps serving.</item>
/// </list>
/// </summary>
internal sealed class DemoRun(
    DemoOptions options, CommandContext context, Func<DemoOptions, CommandContext, CancellationToken,
    Task<IDemoStage>> startStage)
{
    private static readonly TimeSpan ReadyPatience = TimeSpan.FromSeconds(60), IdlePatience = TimeSpan.FromSeconds(10);

    private readonly DemoScreen _screen = new(context);

    /// <exception cref="CommandFailedException">A check failed; the message says which.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _screen.Title(options);
        // 1. Start.
        var start = context.Time.GetTimestamp();
        await using var stage = await startStage(options, context, cancellationToken);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var view = new GatewayView(http, stage.Gateway, context.Time);
        await UnlessBrokenAsync(stage, view.ReadyAsync(stage.Engines.Count, ReadyPatience, cancellationToken), cancellationToken);
        _screen.Stage(stage, context.Time.GetElapsedTime(start));
        // 2. One chat.
        _screen.SampleStarts();
        var sample = await new SampleRequest(http, stage.Gateway, context.Time).SendAsync(_screen.SampleText, cancellationToken);
        _screen.Sample(sample, await view.RequestAsync(sample.Id, cancellationToken), stage);
        // 3. The trace.
        using var replayer = new TraceReplayer(
            options.Replay with { Url = stage.Gateway, Verifier = ReferenceAnswer.CompareAsync }, context.Time);
        var memory = new MemoryWatch(stage, replayer.Meter, options.Trace.Count ?? 0, context.Time);
        var report = await memory.RunAsync(() => ReplayDisplay.RunAsync(replayer, options.Trace, context, cancellationToken));
        cancellationToken.ThrowIfCancellationRequested();
        // 4. Anything left over?
        var leftovers = await Leftovers.FindAsync(http, stage, context.Time, IdlePatience, cancellationToken);
        // 5. Report.
        _screen.Report(report, leftovers, memory.Samples, stage.MemoryOf);
        if (options.Json is { } file)
            await ReplayJson.WriteAsync(report, file, CancellationToken.None);

        string[] problems =
        [
            .. sample.Same ? [] : (string[])["the first answer differs from that of a single engine"],
            .. report.Failures.Select(failure =>
                $"{failure.Value.Count} requests failed: {failure.Key}, e.g. {failure.Value.First}"),
            .. leftovers.Problems(),
        ];
        if (problems.Length > 0)
            throw new CommandFailedException($"{string.Join("; ", problems)}.");

        if (options.Once)
            return;

        _screen.Serving(stage.Gateway);
        await UnlessBrokenAsync(stage, Task.Delay(Timeout.InfiniteTimeSpan, context.Time, cancellationToken), cancellationToken);
    }

    private static async Task UnlessBrokenAsync(IDemoStage stage, Task work, CancellationToken cancellationToken)
    {
        // Child processes get the Ctrl-C too and may end before this process.
        if (await Task.WhenAny(work, stage.Broken) == stage.Broken && !cancellationToken.IsCancellationRequested)
            throw new CommandFailedException($"{await stage.Broken}.");

        await work;
    }
}
