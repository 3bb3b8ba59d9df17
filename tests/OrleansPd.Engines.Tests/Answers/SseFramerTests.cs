using System.Text;
using OrleansPd.Engines.Answers;

namespace OrleansPd.Engines.Tests.Answers;

public sealed class SseFramerTests
{
    [Theory]
    [InlineData("data: a\n\ndata: b\n\n", "a|b")]
    [InlineData("data:a\n\ndata:  b\n\n", "a| b")]
    [InlineData("data: a\r\n\r\ndata: b\r\n\r\n", "a|b")]
    [InlineData("data: a\n\r\ndata: b\r\n\n", "a|b")]
    [InlineData("data: a\ndata: b\ndata\ndata: c\n\n", "a\nb\n\nc")]
    [InlineData(": ping\n\ndata: a\n\n", "|a")]
    [InlineData("event: x\nid: 1\nretry: 5\ndata: a\n: c\n\n", "a")]
    [InlineData("data: a\rb\n\n", "a\rb")]
    [InlineData("\n\ndata: a\n\n", "||a")]
    [InlineData("data: [DONE]\n\n", "[DONE]")]
    public void Events_do_not_depend_on_the_chunks(string stream, string expected)
    {
        for (var size = 1; size <= stream.Length; size++)
            Assert.Equal(expected, string.Join('|', Read(stream, () => size).Data));
    }

    [Fact]
    public void Random_chunks_give_the_same_events_and_lose_no_byte()
    {
        for (var seed = 1; seed <= 2000; seed++)
        {
            var random = new Random(seed);
            var stream = new StringBuilder();
            var expected = new List<string>();
            for (var count = random.Next(1, 20); count > 0; count--)
            {
                var end = random.Next(3) == 0 ? "\r\n" : "\n";
                var data = new string((char)('a' + count), random.Next(1, 300));
                stream.Append(random.Next(4) == 0 ? ": note" + end : "").Append("data: ").Append(data).Append(end).Append(end);
                expected.Add(data);
            }
            var (read, raw, pending) = Read(stream.ToString(), () => random.Next(1, 200));
            Assert.True(expected.SequenceEqual(read) && raw == stream.ToString() && pending == 0, $"seed {seed}");
        }
    }

    [Fact]
    public void A_truncated_stream_leaves_pending_bytes()
    {
        Assert.Equal(7, Read("data: a\n\ndata: b", () => 3).Pending);
        Assert.Equal(0, Read("data: a\n\n", () => 3).Pending);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    public void An_event_beyond_the_limit_is_reported_and_not_buffered(int chunkSize)
    {
        using var framer = new SseFramer(64);
        var stream = Encoding.UTF8.GetBytes("data: a\n\ndata: " + new string('x', 100) + "\n\n");
        var results = new List<SseReadResult>();
        foreach (var part in stream.Chunk(chunkSize))
        {
            ReadOnlySpan<byte> chunk = part;
            SseReadResult result;
            do
            {
                result = framer.Read(ref chunk, out _);
                results.Add(result);
            }
            while (result == SseReadResult.Event);
        }
        Assert.Equal(1, results.Count(result => result == SseReadResult.Event));
        Assert.Equal(SseReadResult.TooLong, results[^1]);
        framer.Reset();
        ReadOnlySpan<byte> again = "data: b\n\n"u8;
        Assert.Equal(SseReadResult.Event, framer.Read(ref again, out var found));
        Assert.Equal("b"u8, found.Data);
    }

    [Fact]
    public void The_end_marker_is_recognised()
    {
        using var framer = new SseFramer();
        ReadOnlySpan<byte> chunk = "data: {}\n\ndata:[DONE] \n\n"u8;
        framer.Read(ref chunk, out var found);
        Assert.False(found.IsDone);
        framer.Read(ref chunk, out found);
        Assert.True(found.IsDone);
    }

    private static (List<string> Data, string Raw, int Pending) Read(string stream, Func<int> size)
    {
        using var framer = new SseFramer();
        var rest = Encoding.UTF8.GetBytes(stream);
        var data = new List<string>();
        var raw = new StringBuilder();
        for (var at = 0; at < rest.Length;)
        {
            var length = Math.Min(size(), rest.Length - at);
            ReadOnlySpan<byte> chunk = rest.AsSpan(at, length);
            at += length;
            while (framer.Read(ref chunk, out var found) == SseReadResult.Event)
            {
                data.Add(Encoding.UTF8.GetString(found.Data));
                raw.Append(Encoding.UTF8.GetString(found.Raw));
            }
            Assert.True(chunk.IsEmpty);
        }
        return (data, raw.ToString(), framer.Pending);
    }
}
