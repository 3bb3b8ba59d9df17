using System.Text;
using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Tests.Replay;

public sealed class EventStreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("data: a\n\ndata: b\n\n", "a|b")]
    [InlineData("data: a\r\n\r\ndata:b\r\n\r\n", "a|b")]
    [InlineData("data: a\ndata: b\n\n", "a\nb")]
    [InlineData(": ping\n\nevent: x\nid: 1\ndata: a\n\n", "a")]
    [InlineData("data: a\n\ndata: cut", "a")]
    [InlineData("data: a\n\ndata: cut\n", "a")]
    [InlineData("data:\n\n\n\ndata: a\n\n", "|a")]
    [InlineData("", "")]
    public async Task Events_are_the_same_in_whatever_pieces_they_come(string text, string expected)
    {
        foreach (var piece in new[] { 1, 2, 3, 1000 })
        {
            var found = new List<string>();
            await foreach (var data in EventStream.ReadAsync(new Pieces(Encoding.UTF8.GetBytes(text), piece), Token))
                found.Add(Encoding.UTF8.GetString(data.Span));

            Assert.Equal(expected, string.Join('|', found));
        }
    }

    [Fact]
    public async Task A_large_event_comes_whole_and_a_too_large_one_is_refused()
    {
        var bytes = Encoding.UTF8.GetBytes($"data: {new string('x', 100_000)}\n\n");
        await using var roomy = EventStream.ReadAsync(new Pieces(bytes, 5000), Token).GetAsyncEnumerator(Token);
        await using var tight = EventStream.ReadAsync(new Pieces(bytes, 5000), Token, maxEventBytes: 50_000)
            .GetAsyncEnumerator(Token);

        Assert.True(await roomy.MoveNextAsync());
        Assert.Equal(100_000, roomy.Current.Length);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await tight.MoveNextAsync());
    }

    private sealed class Pieces(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(size, buffer.Length)], cancellationToken);
    }
}
