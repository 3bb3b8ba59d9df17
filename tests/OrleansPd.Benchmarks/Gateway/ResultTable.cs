using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>Gathers the runs and writes them down: all of them as JSON, their medians and bounds as Markdown.</summary>
internal sealed class ResultTable(BenchFlags flags)
{
    private readonly List<(string Case, string Name, Sample Sample)> _samples = [];
    private readonly List<(string Name, int Streams, double Each, double Memory)> _idle = [];
    private readonly List<(double Listening, double Ready)> _starts = [];
    private readonly List<(int Workers, Sample Sample)> _fleets = [];

    public void Add(BenchCase load, string name, Sample sample) => _samples.Add((load.Name, name, sample));

    public void AddIdle(string name, int streams, double each, double memory) => _idle.Add((name, streams, each, memory));

    public void AddStart(double listening, double ready) => _starts.Add((listening, ready));

    public void AddFleet(int workers, Sample sample) => _fleets.Add((workers, sample));

    /// <summary>One case as a Markdown table.</summary>
    public string Of(string name)
    {
        var text = new StringBuilder();
        var runs = _samples.Where(s => s.Case == name).GroupBy(s => s.Name).ToArray();
        var unit = name.Contains("SSE", StringComparison.Ordinal) ? "event" : "request";
        text.Append(CultureInfo.InvariantCulture, $"\n**{name}**\n\n");
        var reference = Array.Exists(runs, r => r.Key == "nginx") ? "nginx" : runs[0].Key;
        text.Append(CultureInfo.InvariantCulture,
            $"| | CPU µs/{unit} | x {reference} | {unit}s/s | busy | p50 µs | p99 µs | added p50 | event p50/p99 µs | B allocated/request | peak MB |\n");
        text.Append("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        var others = Values(runs, reference, s => s.Cpu);
        var direct = Values(runs, "direct", s => s.P50);
        foreach (var run in runs)
        {
            var samples = run.Select(r => r.Sample).ToArray();
            var ratios = samples.Zip(others, (s, n) => s.Cpu / n).ToArray();
            var added = samples.Zip(direct, (s, d) => s.P50 - d).ToArray();
            text.Append(CultureInfo.InvariantCulture,
                $"| {run.Key} | {Range(samples, s => s.Cpu)} | {Range(ratios, "0.00")} | {Range(samples, s => s.PerSecond, "0")} "
                + $"| {Range(samples, s => s.Busy, "0.00")} | {Range(samples, s => s.P50)} | {Range(samples, s => s.P99)} | {Range(added, "0.0")} "
                + $"| {Range(samples, s => s.EventP50)} / {Range(samples, s => s.EventP99)} "
                + $"| {Range(samples, s => s.Allocated, "0")} | {Range(samples, s => s.Peak / 1e6, "0")} |\n");
        }
        return text.ToString();
    }

    public string Markdown()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Median (min-max) of {flags.Runs} runs, {DateTime.UtcNow:yyyy-MM-dd}.\n");
        foreach (var name in _samples.Select(s => s.Case).Distinct())
            text.Append(Of(name));
        if (_idle.Count > 0)
        {
            text.Append("\n**idle streams**\n\n| | streams | KB each | MB in all |\n| --- | --- | --- | --- |\n");
            foreach (var (name, streams, each, memory) in _idle)
                text.Append(CultureInfo.InvariantCulture, $"| {name} | {streams} | {each / 1024:0.0} | {memory / 1e6:0} |\n");
        }
        if (_starts.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"\n**start**: listening after {Range([.. _starts.Select(s => s.Listening)], "0")} ms, ready after {Range([.. _starts.Select(s => s.Ready)], "0")} ms\n");
        }
        if (_fleets.Count > 0)
        {
            text.Append("\n**fleet**, 1 KB\n\n| workers | CPU µs/request | requests/s | share of 4 workers' |\n| --- | --- | --- | --- |\n");
            var few = _fleets.Where(f => f.Workers == 4).Select(f => f.Sample.PerSecond).ToArray();
            foreach (var fleet in _fleets.GroupBy(f => f.Workers))
            {
                var samples = fleet.Select(f => f.Sample).ToArray();
                text.Append(CultureInfo.InvariantCulture,
                    $"| {fleet.Key} | {Range(samples, s => s.Cpu)} | {Range(samples, s => s.PerSecond, "0")} | {Range(samples.Zip(few, (s, f) => s.PerSecond / f).ToArray(), "0.00")} |\n");
            }
        }
        return text.ToString();
    }

    public void Write()
    {
        Directory.CreateDirectory(flags.Folder);
        File.WriteAllText(Path.Combine(flags.Folder, "gateway-bench.md"), Markdown());
        var all = new
        {
            runs = flags.Runs,
            samples = _samples.Select(s => new { s.Case, s.Name, s.Sample }),
            idle = _idle.Select(i => new { i.Name, i.Streams, bytes_each = i.Each, memory = i.Memory }),
            starts = _starts.Select(s => new { listening_ms = s.Listening, ready_ms = s.Ready }),
            fleets = _fleets.Select(f => new { f.Workers, f.Sample }),
        };
        var options = new JsonSerializerOptions
        {
            NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            WriteIndented = true,
        };
        File.WriteAllText(Path.Combine(flags.Folder, "gateway-bench.json"), JsonSerializer.Serialize(all, options));
    }

    private static double[] Values(
        IGrouping<string, (string Case, string Name, Sample Sample)>[] runs, string name, Func<Sample, double> of) =>
        [.. runs.Where(r => r.Key == name).SelectMany(r => r).Select(r => of(r.Sample))];

    private static string Range(Sample[] samples, Func<Sample, double> of, string format = "0.0") =>
        Range([.. samples.Select(of)], format);

    private static string Range(double[] values, string format)
    {
        var known = values.Where(double.IsFinite).Order().ToArray();
        return known.Length == 0 ? "-" : string.Create(
            CultureInfo.InvariantCulture,
            $"{known[known.Length / 2].ToString(format, CultureInfo.InvariantCulture)} ({known[0].ToString(format, CultureInfo.InvariantCulture)}-{known[^1].ToString(format, CultureInfo.InvariantCulture)})");
    }
}
