using OrleansPd.Testing;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Tests.Traces;

public sealed class TraceFileTests
{
    [Fact]
    public void Mooncake_lines_are_read()
    {
        using var file = new TemporaryFile(
            """
            {"timestamp": 100, "input_length": 700, "output_length": 5, "hash_ids": [3, 9]}

            {"timestamp": 1600.5, "input_length": 1, "output_length": 0, "hash_ids": [3]}
            """);

        var trace = TraceFile.Open(file.Path);
        var rows = trace.Requests.ToArray();

        Assert.Equal(512, trace.BlockSize);
        Assert.Equal([(0.0, 700, 5), (1500.5, 1, 1)],
            rows.Select(row => (row.Arrival.TotalMilliseconds, row.InputTokens, row.OutputTokens)));
        Assert.Equal([3L, 9L], rows[0].Blocks);
    }

    [Fact]
    public void Azure_rows_are_read()
    {
        using var file = new TemporaryFile(
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
            + "2023-11-16 18:15:50.9951690,396,109\r\n");

        var rows = TraceFile.Open(file.Path).Requests.ToArray();

        Assert.Equal([(0L, 374, 44), (43145790L, 396, 109)],
            rows.Select(row => (row.Arrival.Ticks, row.InputTokens, row.OutputTokens)));
        Assert.All(rows, row => Assert.Empty(row.Blocks));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("a,b\n1,2\n", "is neither a Mooncake trace")]
    [InlineData("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1}\n{\"timestamp\": 1}\n", "line 2")]
    [InlineData("{\"timestamp\": 0", "line 1")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n", "line 2: TIMESTAMP is not a time")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,x,2\n",
        "line 2: ContextTokens is not a number of tokens")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,2\n", "line 2: 2 cells where the header has 3")]
    public void What_is_no_trace_is_refused_with_its_place(string content, string part)
    {
        using var file = new TemporaryFile(content);

        var error = Assert.Throws<TraceFormatException>(() => TraceFile.Open(file.Path).Requests.Count());

        Assert.Contains(part, error.Message);
    }

    [Fact]
    public void Scaling_keeps_the_shared_part_shared()
    {
        var trace = new Trace("t", 512, [new(default, 2048, 100, [1, 2, 3, 4])]).Scale(new(0.25, 0.5, 300, 20));

        Assert.Equal(128, trace.BlockSize);
        Assert.Equal((300, 20), (trace.Requests.Single().InputTokens, trace.Requests.Single().OutputTokens));
    }
}
