using OrleansPd.Tools.Replay;
using Spectre.Console;

namespace OrleansPd.Tools.Demo;

/// <summary>The output of the demo: colours and progress on a terminal, plain lines elsewhere.</summary>
internal sealed class DemoScreen(CommandContext context)
{
    private const int LabelWidth = 11;

    private readonly IAnsiConsole _console = Terminal.Create(context);

    public void Title(DemoOptions options)
    {
        var fleet = options.Fleet;
        Line($"[bold]OrleansPd demo[/]: {fleet.Prefills} prefill and {fleet.Decodes} decode engines, simulated, and the gateway"
            + (options.Processes ? ", each in its own process" : ""));
    }

    public void Stage(IDemoStage stage, TimeSpan ready)
    {
        foreach (var engine in stage.Engines)
            Labelled(engine.Name, $"{Address(engine.Url)}, {engine.Ranks} data-parallel rank{(engine.Ranks == 1 ? "" : "s")}");

        Labelled("gateway",
            Invariant($"{Address(stage.Gateway)}, all engines ready after {ready.TotalSeconds:0.0} s"));
    }

    public void SampleStarts()
    {
        Heading("One request (the simulated model writes random words)");
        Labelled("prompt", SampleRequest.Prompt);
        _console.Markup(Label("answer"));
    }

    public void SampleText(string text) => _console.Markup($"[green]{Markup.Escape(OneLine(text))}[/]");

    public void Sample(SampleAnswer answer, RequestView seen, IDemoStage stage)
    {
        _console.WriteLine();
        Labelled("pair",
            $"{NameOf(stage, seen.Prefill)} rank {seen.PrefillRank} -> {NameOf(stage, seen.Decode)} rank {seen.DecodeRank}");
        Labelled("room", seen.Room);
        Labelled("gateway",
            $"both legs sent after {Ms(seen.Admitted)}; from then, prefill done after {Ms(seen.Prefilled)}, "
            + $"first output after {Ms(seen.FirstOutput)}, decode done after {Ms(seen.Decoded)}");
        var rate = answer.Tokens > 1 ? (answer.Tokens - 1) / (answer.Total - answer.FirstOutput).TotalSeconds : 0;
        Labelled("client",
            Invariant($"first token after {Ms(answer.FirstOutput)}, {answer.Tokens} tokens in {Ms(answer.Total)}, ")
            + Invariant($"{rate:0} tokens/s"));
        Labelled("check", answer.Same
            ? "[green]the same text as from a single engine[/]"
            : "[red]not the text of a single engine[/]", markup: true);
    }

    public void Report(ReplayReport report, Leftovers leftovers, IReadOnlyList<MemorySample> memory, string memoryOf)
    {
        Heading("A trace through the gateway");
        ReplayDisplay.Write(report, context);
        var wrong = report.Failures.TryGetValue(FailureKind.Mismatch, out var mismatch) ? mismatch.Count : 0;
        Verdict(report.Failed == 0 && report.Succeeded > 0, report.Failed == 0
            ? $"all {report.Succeeded} answers equal those of a single engine, token by token ({report.OutputTokens} tokens)"
            : $"{wrong} answers differ from those of a single engine, {report.Failed - wrong} failed");
        var left = leftovers.ActiveRequests + leftovers.OpenLegs + leftovers.LiveRequests + leftovers.Slots;
        Verdict(left == 0,
            $"nothing left behind: {leftovers.ActiveRequests} requests and {leftovers.OpenLegs} legs in the "
            + $"gateway, {leftovers.LiveRequests} requests and {leftovers.Slots} slots in engines");
        Verdict(leftovers.DuplicateRooms == 0 && leftovers.RouterErrors.Count == 0,
            $"{leftovers.Rooms} rooms, {leftovers.DuplicateRooms} used twice; "
            + $"engines reported {leftovers.RouterErrors.Count} errors of the gateway");
        var cached = leftovers.PromptTokens == 0 ? 0 : 100.0 * leftovers.CachedTokens / leftovers.PromptTokens;
        Line(Invariant($"{cached:0.#} % of the prompt tokens were cached on the chosen engine; {leftovers.Retries} retries"));
        Line($"memory at 0, 25, 50, 75, 100 % of the trace, {memoryOf}:");
        if (memory.All(sample => sample.Heap is not null))
            Labelled("managed", Sizes(memory.Select(sample => sample.Heap!.Value)));

        Labelled("resident", Sizes(memory.Select(sample => sample.Resident)));
    }

    public void Serving(Uri gateway)
    {
        Heading("Try it");
        Line("The gateway keeps serving; stop it with Ctrl-C.");
        // To be copied: no wrapping, no colours.
        context.Out.WriteLine();
        context.Out.WriteLine($"curl -N {new Uri(gateway, "/v1/chat/completions")} -H 'Content-Type: application/json' \\");
        context.Out.WriteLine($"  -d '{SampleRequest.Body(16)}'");
        context.Out.WriteLine();
    }

    private static string Sizes(IEnumerable<long> memory) => $"{string.Join(", ", memory.Select(Mb))} MB";

    private static string Mb(long bytes) => (bytes / 1048576.0).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Ms(TimeSpan? time) => time is { } known ? Invariant($"{known.TotalMilliseconds:0.#} ms") : "unknown";

    private static string Address(Uri url) => url.GetLeftPart(UriPartial.Authority);

    private static string NameOf(IDemoStage stage, string url) =>
        stage.Engines.FirstOrDefault(engine => Address(engine.Url) == url.TrimEnd('/'))?.Name ?? url;

    private static string OneLine(string text) => text.ReplaceLineEndings("\u23CE");

    private static string Label(string label) => $"  [grey]{label.PadRight(LabelWidth)}[/]";

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private void Heading(string text)
    {
        _console.WriteLine();
        Line($"[bold]{text}[/]");
    }

    private void Labelled(string label, string text, bool markup = false) =>
        Line(Label(label) + (markup ? text : Markup.Escape(text)));

    private void Verdict(bool good, string text) => Line($"{(good ? "[green]ok[/] " : "[red]BAD[/]")} {Markup.Escape(text)}");

    private void Line(string markup) => _console.MarkupLine(markup);
}
