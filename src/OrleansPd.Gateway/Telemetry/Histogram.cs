using System.Globalization;
using System.Text;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>Counts values into fixed buckets. Thread-safe, does not allocate.</summary>
/// <param name="bounds">Upper bounds, ascending; a last bucket without bound is added.</param>
public sealed class Histogram(params double[] bounds)
{
    private readonly double[] _bounds = bounds;
    private readonly long[] _counts = new long[bounds.Length + 1];
    private long _sumMicros;

    public long Count => _counts.Sum();

    public void Record(double value)
    {
        var at = 0;
        while (at < _bounds.Length && value > _bounds[at])
        {
            at++;
        }
        Interlocked.Increment(ref _counts[at]);
        Interlocked.Add(ref _sumMicros, (long)(value * 1e6));
    }

    internal void Write(StringBuilder text, string name, string help)
    {
        GatewayMetrics.Header(text, name, "histogram", help);
        long total = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            total += Interlocked.Read(ref _counts[i]);
            var bound = i < _bounds.Length ? _bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{le=\"{bound}\"}} {total}\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"{name}_sum {Interlocked.Read(ref _sumMicros) / 1e6}\n{name}_count {total}\n");
    }
}
