using System.Diagnostics.Metrics;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// The metrics of one gateway. One call declares a metric: name, help and, for a histogram, buckets. Each value has one store,
/// which <c>/metrics</c> reads and which the instruments of the meter observe.
/// </summary>
/// <remarks>
/// The store is not the instruments with a <see cref="MeterListener"/>: measured, that costs 75 ns instead of 46 at the end of a
/// request, and 156 ns instead of 13 for a chunk of 8 events.
/// </remarks>
public sealed class MetricSet
{
    private const string Prefix = "orleanspd_gateway_";
    private readonly ConcurrentQueue<MetricFamily> _families = new();
    private readonly Meter _meter;

    internal MetricSet(Meter meter) => _meter = meter;

    internal IEnumerable<MetricFamily> Families => _families;

    /// <param name="name">Name in <c>/metrics</c>, as in the other methods.</param>
    /// <param name="instrument">Name of the instrument. The other methods derive it from <paramref name="name"/>.</param>
    /// <param name="help">One sentence, for both.</param>
    /// <param name="bounds">Upper bounds of the buckets in seconds, ascending.</param>
    public TimeHistogram Seconds(string name, string instrument, string help, params double[] bounds)
    {
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds };
        var histogram = new TimeHistogram(_meter.CreateHistogram(instrument, "s", help, null, advice), bounds);
        _families.Enqueue(new(name, "histogram", help, null, histogram));
        return histogram;
    }

    public void Counter(string name, string help, Func<long> read) => Counter(name, help, () => [new Measurement<long>(read())]);

    public void Counter(string name, string help, Func<IEnumerable<Measurement<long>>> read)
    {
        _meter.CreateObservableCounter(InstrumentOf(name), read, null, help);
        _families.Enqueue(new(name, "counter", help, read, null));
    }

    public void Gauge(string name, string help, string unit, Func<long> read) =>
        Gauge(name, help, unit, () => [new Measurement<long>(read())]);

    public void Gauge(string name, string help, string unit, Func<IEnumerable<Measurement<long>>> read)
    {
        _meter.CreateObservableUpDownCounter(InstrumentOf(name), read, unit, help);
        _families.Enqueue(new(name, "gauge", help, read, null));
    }

    /// <summary>
    /// <c>orleanspd_gateway_failed_attempts_total</c> is the instrument <c>orleanspd.gateway.failed_attempts</c>.
    /// </summary>
    private static string InstrumentOf(string name)
    {
        var stem = name.EndsWith("_total", StringComparison.Ordinal) ? name[..^"_total".Length] : name;
        return stem.StartsWith(Prefix, StringComparison.Ordinal) ? "orleanspd.gateway." + stem[Prefix.Length..] : stem;
    }
}

/// <summary>One declared metric: either samples that <paramref name="Read"/> returns, or a histogram.</summary>
internal sealed record MetricFamily(
    string Name, string Type, string Help, Func<IEnumerable<Measurement<long>>>? Read, TimeHistogram? Histogram);
