namespace OrleansPd.Tools.Traces;

/// <summary>The options of a synthetic trace.</summary>
internal sealed record SyntheticTraceOptions
{
    /// <summary>The same seed makes the same trace. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Number of requests. Default 200.</summary>
    public int Requests { get; init; } = 200;

    /// <summary>Mean arrivals per second (Poisson). Default 8.</summary>
    public double Rate { get; init; } = 8;

    /// <summary>Median prompt in tokens, the shared prefix included. Default 256.</summary>
    public int InputTokens { get; init; } = 256;

    /// <summary>Median answer in tokens. Default 64.</summary>
    public int OutputTokens { get; init; } = 64;

    /// <summary>Share of requests that share a prompt prefix with others, 0-1. Default 0.6.</summary>
    public double SharedPrefixes { get; init; } = 0.6;
}

/// <summary>A synthetic trace: Poisson arrivals, log-normal lengths, a few popular prefixes.</summary>
internal static class SyntheticTrace
{
    public const int BlockSize = 32;

    private const double Spread = 0.6;
    private const int Prefixes = 16;

    public static Trace Create(SyntheticTraceOptions options) =>
        new($"synthetic, seed {options.Seed}", BlockSize, Generate(options), options.Requests);

    private static IEnumerable<TraceRequest> Generate(SyntheticTraceOptions options)
    {
        var random = new Random(options.Seed);
        var arrival = 0.0;
        for (var index = 0; index < options.Requests; index++)
        {
            var input = LogNormal(random, options.InputTokens);
            var output = LogNormal(random, options.OutputTokens);
            var blocks = (input + BlockSize - 1) / BlockSize;
            var shared = random.NextDouble() < options.SharedPrefixes ? Math.Max(1, blocks / 2) : 0;
            // Squaring makes low numbers more likely: some prefixes are far more popular than others.
            var prefix = (long)(Prefixes * Math.Pow(random.NextDouble(), 2));
            var ids = ImmutableArray.CreateBuilder<long>(blocks);
            for (var block = 0; block < blocks; block++)
                ids.Add(block < shared ? (prefix << 20) + block : ((Prefixes + (long)index) << 20) + block);

            yield return new(TimeSpan.FromSeconds(arrival), input, output, ids.MoveToImmutable());
            arrival += -Math.Log(1 - random.NextDouble()) / options.Rate;
        }
    }

    private static int LogNormal(Random random, int median)
    {
        var normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        return (int)Math.Clamp(Math.Round(median * Math.Exp(Spread * normal)), 1, 1_000_000);
    }
}
