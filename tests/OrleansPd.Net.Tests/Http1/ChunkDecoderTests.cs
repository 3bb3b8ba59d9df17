using System.Globalization;
using System.Text;
using OrleansPd.Net.Http1;

namespace OrleansPd.Net.Tests.Http1;

/// <summary>Random content in chunks is decoded, for pieces of any size.</summary>
public sealed class ChunkDecoderTests
{
    [Fact]
    public void Content_is_the_same_for_pieces_of_any_size()
    {
        for (var seed = 0; seed < 3000; seed++)
        {
            var random = new Random(seed);
            var content = new byte[random.Next(400)];
            random.NextBytes(content);
            var wire = Chunked(content, random);

            var found = new List<byte>();
            var decoder = new ChunkDecoder();
            for (var at = 0; at < wire.Length;)
            {
                var piece = wire.AsSpan(at, random.Next(1, Math.Min(90, wire.Length - at) + 1)).ToArray();
                at += piece.Length;
                var length = decoder.Decode(piece, out var consumed);
                Assert.True(consumed == piece.Length, $"seed {seed}");
                found.AddRange(piece.AsSpan(0, length));
            }

            Assert.True(decoder.IsDone && content.AsSpan().SequenceEqual([.. found]), $"seed {seed}");
        }
    }

    [Fact]
    public void Bytes_behind_the_end_are_not_consumed()
    {
        var decoder = new ChunkDecoder();
        var bytes = "3\r\nabc\r\n0\r\n\r\nHTTP/1.1"u8.ToArray();

        var length = decoder.Decode(bytes, out var consumed);

        Assert.Equal((3, bytes.Length - 8, true), (length, consumed, decoder.IsDone));
    }

    [Theory]
    [InlineData("g\r\n")]
    [InlineData("\r\n")]
    [InlineData("-1\r\n")]
    [InlineData("3\nabc")]
    [InlineData("3\r\nabcd\r\n")]
    [InlineData("3\r\nabc\n")]
    [InlineData("1000000000000000\r\n")]
    [InlineData("0\r\n\n")]
    [InlineData("0\r\nx: y\n\r\n")]
    [InlineData("3;ext\nabc\r\n")]
    public void Malformed_framing_is_rejected(string wire)
    {
        var decoder = new ChunkDecoder();

        decoder.Decode(Encoding.ASCII.GetBytes(wire), out _);

        Assert.True(decoder.IsMalformed);
    }

    [Fact]
    public void Endless_trailers_are_rejected()
    {
        var decoder = new ChunkDecoder();

        decoder.Decode(Encoding.ASCII.GetBytes("0\r\n" + string.Concat(Enumerable.Repeat("name: value\r\n", 1000))), out _);

        Assert.True(decoder.IsMalformed);
    }

    internal static byte[] Chunked(ReadOnlySpan<byte> content, Random random)
    {
        var wire = new List<byte>();
        while (!content.IsEmpty)
        {
            var part = content[..random.Next(1, content.Length + 1)];
            content = content[part.Length..];
            var size = part.Length.ToString(random.Next(2) == 0 ? "x" : "X4", CultureInfo.InvariantCulture);
            wire.AddRange(Encoding.ASCII.GetBytes(size + (random.Next(5) == 0 ? ";name=\"value\"" : "") + "\r\n"));
            wire.AddRange(part);
            wire.AddRange("\r\n"u8);
        }
        wire.AddRange("0\r\n"u8);
        if (random.Next(5) == 0)
            wire.AddRange("trailer: value\r\n"u8);

        wire.AddRange("\r\n"u8);
        return [.. wire];
    }
}
