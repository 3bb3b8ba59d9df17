using System.Globalization;
using System.Text;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>Writes the Prometheus text format 0.0.4: one family after the other, each with its help and type.</summary>
internal sealed class PromText(StringBuilder text)
{
    private string _name = "";

    /// <summary>Begins a family; its samples follow.</summary>
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

    public void Buckets(string name, string help, TimeBuckets buckets)
    {
        Family(name, "histogram", help);
        long total = 0;
        for (var i = 0; i <= buckets.Bounds.Length; i++)
        {
            total += buckets.CountOf(i);
            var bound = i < buckets.Bounds.Length ? buckets.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Line(name + "_bucket", $"le=\"{bound}\"", total);
        }
        Line(name + "_sum", "", buckets.Sum);
        Line(name + "_count", "", total);
    }

    /// <summary>A label's value as the format wants it.</summary>
    public static string Escape(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private void Line(string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0)
        {
            text.Append('{').Append(labels).Append('}');
        }
        text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
