namespace OrleansPd.Gateway.Telemetry;

/// <summary>Writes the Prometheus text format 0.0.4: one family after the other, each with its help and type.</summary>
internal sealed class PromText(StringBuilder text)
{
    private string _name = "";

    public PromText Family(string name, string type, string help)
    {
        _name = name;
        text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type)
            .Append('\n');
        return this;
    }

    /// <param name="labels">As <c>a="b",c="d"</c>, values escaped; empty = none.</param>
    public PromText Sample(double value, string labels = "")
    {
        Line(_name, labels, value);
        return this;
    }

    public void Gauge(string name, string help, double value) => Family(name, "gauge", help).Sample(value);

    public void Counter(string name, string help, long value) => Family(name, "counter", help).Sample(value);

    public void Write(MetricFamily family)
    {
        Family(family.Name, family.Type, family.Help);
        foreach (var sample in family.Read?.Invoke() ?? [])
            Sample(sample.Value, Labels(sample.Tags));
        if (family.Histogram is { } histogram)
            Buckets(family.Name, histogram);
    }

    private void Buckets(string name, TimeHistogram histogram)
    {
        long total = 0;
        for (var i = 0; i <= histogram.Bounds.Length; i++)
        {
            total += histogram.CountOf(i);
            var bound = i < histogram.Bounds.Length ? histogram.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Line(name + "_bucket", $"le=\"{bound}\"", total);
        }
        Line(name + "_sum", "", histogram.Sum);
        Line(name + "_count", "", total);
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = "";
        foreach (var (name, value) in tags)
            labels += $"{(labels.Length > 0 ? "," : "")}{name}=\"{Escape((string)value!)}\"";
        return labels;
    }

    public static string Escape(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private void Line(string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0)
            text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
