using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Tests.Traces;

public sealed class SyntheticTraceTests
{
    private static readonly SyntheticTraceOptions Options = new() { Requests = 4000, Seed = 7, Rate = 10 };

    [Fact]
    public void The_same_seed_makes_the_same_trace_and_another_one_another()
    {
        var one = Rows(Options);

        Assert.Equal(one, Rows(Options));
        Assert.NotEqual(one, Rows(Options with { Seed = 8 }));

        static string[] Rows(SyntheticTraceOptions options) =>
        [
            .. SyntheticTrace.Create(options).Requests
                .Select(row => $"{row.Arrival.Ticks} {row.InputTokens} {row.OutputTokens} {string.Join(',', row.Blocks)}"),
        ];
    }

    [Fact]
    public void Rate_lengths_and_sharing_are_as_asked()
    {
        var rows = SyntheticTrace.Create(Options).Requests.ToArray();

        Assert.Equal(Options.Requests, rows.Length);
        Assert.InRange(rows.Length / rows[^1].Arrival.TotalSeconds, 9.5, 10.5);
        Assert.InRange(rows.Select(row => row.InputTokens).Order().ElementAt(2000), 245, 267);
        Assert.InRange(rows.Select(row => row.OutputTokens).Order().ElementAt(2000), 61, 67);
        Assert.InRange(rows.GroupBy(row => row.Blocks[0]).Where(group => group.Count() > 1)
            .Sum(group => group.Count()), 2250, 2550);
        Assert.All(rows, row => Assert.Equal((row.InputTokens + 31) / 32, row.Blocks.Length));
    }
}
