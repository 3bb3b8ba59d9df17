using OrleansPd.Tools.Traces;
using Spectre.Console;

namespace OrleansPd.Tools.Replay;

/// <summary>
/// Shows the progress and the result of a replay: a progress bar and a table on a terminal, plain lines elsewhere.
/// </summary>
internal static class ReplayDisplay
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200), PlainLine = TimeSpan.FromSeconds(10);

    public static async Task<ReplayReport> RunAsync(
        TraceReplayer replayer, Trace trace, CommandContext context, CancellationToken cancellationToken)
    {
        var replay = replayer.RunAsync(trace, cancellationToken);
        if (!context.Interactive)
        {
            while (await Task.WhenAny(replay, Task.Delay(PlainLine, context.Time, CancellationToken.None)) != replay)
                await context.Out.WriteLineAsync(Status(replayer.Meter, trace));

            return await replay;
        }

        await Terminal.Create(context).Progress()
            .AutoClear(true)
            .Columns(new SpinnerColumn(), new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn())
            .StartAsync(async progress =>
            {
                var bar = progress.AddTask("starting", maxValue: trace.Count ?? 1);
                bar.IsIndeterminate = trace.Count is null;
                do
                {
                    bar.Description = Markup.Escape(Status(replayer.Meter, trace));
                    bar.Value = replayer.Meter.Succeeded + replayer.Meter.Failed;
                }
                while (await Task.WhenAny(replay, Task.Delay(Refresh, context.Time, CancellationToken.None)) != replay);
            });
        return await replay;
    }

    public static void Write(ReplayReport report, CommandContext context)
    {
        var output = context.Out;
        output.WriteLine(Invariant(
            $"{report.Requests} requests of {report.Trace} to {report.Url.TrimEnd('/')}{report.Endpoint} ")
            + Invariant($"in {report.Elapsed.TotalSeconds:0.0} s")
            + (report.Interrupted ? " (interrupted)" : ""));
        output.WriteLine(
            Invariant($"{report.Succeeded} succeeded, {report.Failed} failed; {report.RequestsPerSecond:0.##} requests/s, ")
            + Invariant($"{report.OutputTokensPerSecond:0.#} output tokens/s; ")
            + Invariant($"{report.InputTokens} tokens in, {report.OutputTokens} out"));
        foreach (var (kind, failure) in report.Failures)
            output.WriteLine(Invariant($"  {failure.Count} x {kind}") + (failure.First is { } first ? $", e.g. {first}" : ""));

        var rows = new (string Name, Distribution Times)[]
        {
            ("time to first token", report.FirstOutput),
            ("between tokens", report.BetweenTokens),
            ("end to end", report.Total),
            ("start delay", report.Lag),
        };
        if (context.Interactive)
            WriteTable(rows, context);
        else
            WritePlain(rows, output);
    }

    private static string Status(ReplayMeter meter, Trace trace)
    {
        var done = meter.Succeeded + meter.Failed;
        var all = trace.Count is { } count ? $"/{count}" : "";
        return Invariant($"{done}{all} done, {meter.Started - done} open, {meter.Failed} failed, ")
            + Invariant($"{meter.OutputTokens} tokens, first token p50 {Cell(meter.FirstOutput, meter.FirstOutput.P50)} ms");
    }

    private static void WriteTable(IEnumerable<(string Name, Distribution Times)> rows, CommandContext context)
    {
        var table = new Table { Border = TableBorder.Rounded };
        table.AddColumn("ms");
        foreach (var column in Header)
            table.AddColumn(new TableColumn(column).RightAligned());

        foreach (var (name, times) in rows)
            table.AddRow([name, .. Cells(times)]);

        Terminal.Create(context).Write(table);
    }

    private static void WritePlain(IEnumerable<(string Name, Distribution Times)> rows, TextWriter output)
    {
        output.WriteLine($"{"ms",-20}{string.Concat(Header.Select(column => $"{column,11}"))}");
        foreach (var (name, times) in rows)
            output.WriteLine($"{name,-20}{string.Concat(Cells(times).Select(cell => $"{cell,11}"))}");
    }

    private static readonly string[] Header = ["mean", "p50", "p90", "p99", "max"];

    private static string[] Cells(Distribution times) =>
    [
        Cell(times, times.Mean), Cell(times, times.P50), Cell(times, times.P90), Cell(times, times.P99), Cell(times, times.Max),
    ];

    private static string Cell(Distribution times, TimeSpan value) =>
        times.Count == 0 ? "-" : value.TotalMilliseconds.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
