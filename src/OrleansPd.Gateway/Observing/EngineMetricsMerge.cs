using System.Text.Json.Nodes;
using OrleansPd.Gateway.Management;
using OrleansPd.Gateway.Telemetry;

namespace OrleansPd.Gateway.Observing;

/// <summary>
/// Merges the Prometheus texts of engines: each family once with the samples of all engines, as the format requires, and each
/// sample with the labels <c>worker</c> and <c>worker_type</c>. <c>orleanspd_gateway_engine_scraped</c> is 0 for engines that did
/// not answer.
/// </summary>
internal static class EngineMetricsMerge
{
    private static readonly string[] Suffixes = ["_bucket", "_sum", "_count", "_total", "_created"];

    public static string Of(IReadOnlyCollection<BroadcastReply> replies)
    {
        var families = new Dictionary<string, Family>(StringComparer.Ordinal);
        var order = new List<Family>();
        foreach (var engine in replies.Where(s => s.IsGood))
            Read(engine, families, order);
        var output = new StringBuilder(64 * 1024);
        var own = new PromText(output);
        own.Family("orleanspd_gateway_engine_scraped", "gauge", "1 when the engine's metrics are part of this text.");
        foreach (var engine in replies)
            own.Sample(engine.IsGood ? 1 : 0, Labels(engine));
        foreach (var family in order.Where(f => f.Samples.Length > 0))
            output.Append(family.Help).Append(family.Type).Append(family.Samples);
        return output.ToString();
    }

    private static void Read(BroadcastReply engine, Dictionary<string, Family> families, List<Family> order)
    {
        if (engine.Body is not JsonValue text || !text.TryGetValue<string>(out var all))
            return;
        var labels = Labels(engine);
        foreach (var line in all.Split('\n').Select(l => l.TrimEnd('\r', ' ')))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal) || line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                var isHelp = line[2] == 'H';
                var family = FamilyOf(line[7..].Split(' ')[0], families, order);
                if (isHelp)
                    family.Help = family.Help.Length > 0 ? family.Help : line + "\n";
                else
                    family.Type = family.Type.Length > 0 ? family.Type : line + "\n";
            }
            else if (line.Length > 0 && line[0] != '#' && Relabel(line, labels) is var (name, sample))
            {
                OwnerOf(name, families, order).Samples.Append(sample);
            }
        }
    }

    /// <returns>The name of the sample and its line with the labels of the engine; null when the line is no sample.</returns>
    private static (string Name, string Line)? Relabel(string line, string labels)
    {
        var end = line.IndexOfAny(['{', ' ']);
        if (end <= 0)
            return null;
        var name = line[..end];
        if (line[end] == ' ')
            return (name, $"{name}{{{labels}}}{line[end..]}\n");
        var rest = line[(end + 1)..];
        return (name, rest.StartsWith('}') ? $"{name}{{{labels}{rest}\n" : $"{name}{{{labels},{rest}\n");
    }

    /// <summary>The family of a sample. Samples of histograms have suffixes, their family has none.</summary>
    private static Family OwnerOf(string name, Dictionary<string, Family> families, List<Family> order)
    {
        if (families.TryGetValue(name, out var family))
            return family;
        foreach (var suffix in Suffixes)
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal) && families.TryGetValue(name[..^suffix.Length], out family))
                return family;
        }
        return FamilyOf(name, families, order);
    }

    private static Family FamilyOf(string name, Dictionary<string, Family> families, List<Family> order)
    {
        if (!families.TryGetValue(name, out var family))
        {
            families.Add(name, family = new Family());
            order.Add(family);
        }
        return family;
    }

    private static string Labels(BroadcastReply engine) =>
        $"worker=\"{PromText.Escape(engine.Url)}\",worker_type=\"{WireName.Of(engine.Worker.Role)}\"";

    private sealed class Family
    {
        public string Help { get; set; } = "";

        public string Type { get; set; } = "";

        public StringBuilder Samples { get; } = new();
    }
}
