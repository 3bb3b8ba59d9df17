using OrleansPd.Tools.Output;
using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Demo;

/// <summary>
/// The demo from start to end:
/// <list type="number">
/// <item>engines and gateway are started, each engine has answered in a pair;</item>
/// <item>one chat is sent and shown with all that was decided about it;</item>
/// <item>the trace is sent, each answer held against the unsplit one;</item>
/// <item>gateway and engines are asked what is left of it;</item>
/// <item>all is told; whatever was off is a failure; else the gateway goes on serving.</item>
/// </list>
/// </summary>
internal sealed class DemoRun(
    DemoOptions options, CommandContext context, Func<DemoOptions, CommandContext, CancellationToken,
    Task<IDemoStage>> startStage)
{
    private static readonly TimeSpan ReadyPatience = TimeSpan.FromSeconds(60), IdlePatience = TimeSpan.FromSeconds(10);

    private readonly DemoScreen _screen = new(context);

    /// <exception cref="CommandFailedException">Something was off; the message says what.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _screen.Title(options);
        // 1
        var start = context.Time.GetTimestamp();
        await using var stage = await startStage(options, context, cancellationToken);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var view = new GatewayView(http, stage.Gateway, context.Time);
        await UnlessBrokenAsync(stage, view.ReadyAsync(stage.Engines.Count, ReadyPatience, cancellationToken), cancellationToken);
        _screen.Stage(stage, context.Time.GetElapsedTime(start));
        // 2
        _screen.SampleStarts();
        var sample = await new SampleRequest(http, stage.Gateway, context.Time).SendAsync(_screen.SampleText, cancellationToken);
        _screen.Sample(sample, await view.RequestAsync(sample.Id, cancellationToken), stage);
        // 3
        using var replayer = new TraceReplayer(
            options.Replay with { Url = stage.Gateway, Verifier = ReferenceAnswer.CompareAsync }, context.Time);
        var memory = new MemoryWatch(stage, replayer.Meter, options.Trace.Count ?? 0, context.Time);
        var report = await memory.RunAsync(() => ReplayDisplay.RunAsync(replayer, options.Trace, context, cancellationToken));
        cancellationToken.ThrowIfCancellationRequested();
        // 4
        var remains = await Leftovers.FindAsync(http, stage, context.Time, IdlePatience, cancellationToken);
        // 5
        _screen.Report(report, remains, memory.Samples, stage.MemoryOf);
        if (options.Json is { } file)
        {
            await ReplayJson.WriteAsync(report, file, CancellationToken.None);
        }

        string[] problems =
        [
            .. sample.Same ? [] : (string[])["the first answer differs from the unsplit one"],
            .. report.Failures.Select(failure =>
                $"{failure.Value.Count} requests failed: {failure.Key}, e.g. {failure.Value.First}"),
            .. remains.Problems(),
        ];
        if (problems.Length > 0)
        {
            throw new CommandFailedException($"{string.Join("; ", problems)}.");
        }

        if (options.Once)
        {
            return;
        }

        _screen.Serving(stage.Gateway);
        await UnlessBrokenAsync(stage, Task.Delay(Timeout.Infinite, cancellationToken), cancellationToken);
    }

    private static async Task UnlessBrokenAsync(IDemoStage stage, Task work, CancellationToken cancellationToken)
    {
        // Children get a Ctrl-C too, and may be gone before it is our turn.
        if (await Task.WhenAny(work, stage.Broken) == stage.Broken && !cancellationToken.IsCancellationRequested)
        {
            throw new CommandFailedException($"{await stage.Broken}.");
        }

        await work;
    }
}
