using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Tests.Replay;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void Nothing_recorded_is_nothing() => Assert.Equal(Distribution.None, new LatencyHistogram().Summarize());

    [Fact]
    public void A_small_sample_is_exact()
    {
        var histogram = new LatencyHistogram();
        foreach (var ms in Enumerable.Range(1, 1000).Reverse())
            histogram.Record(TimeSpan.FromMilliseconds(ms));

        var found = histogram.Summarize();

        Assert.Equal(1000, found.Count);
        Assert.Equal([500.5, 500, 900, 990, 1000],
            new[] { found.Mean, found.P50, found.P90, found.P99, found.Max }.Select(time => time.TotalMilliseconds));
    }

    [Fact]
    public void One_value_is_every_percentile()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(TimeSpan.FromMilliseconds(3), times: 2);

        Assert.Equal(new(2, Ms(3), Ms(3), Ms(3), Ms(3), Ms(3)), histogram.Summarize());

        static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    [InlineData(60_000_000)]
    public void A_large_sample_is_within_one_percent(long unit)
    {
        var histogram = new LatencyHistogram();
        for (var i = 1; i <= 100_000; i++)
            histogram.Record(TimeSpan.FromTicks(i * unit));

        var found = histogram.Summarize();

        Assert.Equal((100_000, 100_000 * unit), (found.Count, found.Max.Ticks));
        Near(50_000, found.P50);
        Near(90_000, found.P90);
        Near(99_000, found.P99);
        Near(50_000.5, found.Mean);

        void Near(double expected, TimeSpan actual) => Assert.InRange(actual.Ticks / (expected * unit), 0.99, 1.01);
    }

    [Fact]
    public void The_largest_time_has_a_bucket()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(TimeSpan.MaxValue, times: LatencyHistogram.ExactSamples + 1);

        Assert.InRange(histogram.Summarize().P50.Ticks / (double)long.MaxValue, 0.99, 1);
    }
}
