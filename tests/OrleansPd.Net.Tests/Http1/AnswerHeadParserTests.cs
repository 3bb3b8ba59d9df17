using System.Text;
using OrleansPd.Net.Http1;

namespace OrleansPd.Net.Tests.Http1;

/// <summary>The meaning of a response head, and the heads that are rejected.</summary>
public sealed class AnswerHeadParserTests
{
    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", nameof(BodyFraming.UntilClose), 0, false)]
    [InlineData("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", nameof(BodyFraming.None), 0, true)]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", nameof(BodyFraming.None), 0, true)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", nameof(BodyFraming.Length), 12, true)]
    [InlineData("HTTP/1.1 200 OK\r\nCONTENT-LENGTH:\t12 \r\nContent-Length: 12\r\n\r\n", nameof(BodyFraming.Length), 12, true)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: keep-alive, Close\r\n\r\n", nameof(
        BodyFraming.Length), 12, false)]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n", nameof(BodyFraming.Length), 12, false)]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n", nameof(BodyFraming.Length), 12, true)]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", nameof(BodyFraming.Chunked), 0, true)]
    public void A_head_defines_where_its_body_ends(string head, string framing, long length, bool reuse)
    {
        Assert.Null(AnswerHeadParser.Parse(Encoding.ASCII.GetBytes(head), out var lines));
        Assert.Equal((framing, length, reuse), (lines.Framing.ToString(), lines.Length, lines.MayReuse));
    }

    [Theory]
    [InlineData("HTTP/2 200\r\n\r\n")]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 099 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\nContent-Length: 3\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n: nameless\r\n\r\n")]
    public void An_ambiguous_head_is_rejected(string head) =>
        Assert.NotNull(AnswerHeadParser.Parse(Encoding.ASCII.GetBytes(head), out _));

    [Fact]
    public void Random_bytes_are_parsed_or_rejected_without_an_exception()
    {
        const string Alphabet = "HTP/1.0 2\r\n\r\nContent-Length: 3Transfer-Encoding: chunked,;\t\0";
        for (var seed = 0; seed < 50_000; seed++)
        {
            var random = new Random(seed);
            var text = new StringBuilder(random.Next(2) == 0 ? "HTTP/1.1 200 OK\r\n" : "");
            for (var count = random.Next(60); count > 0; count--)
            {
                var at = random.Next(Alphabet.Length);
                text.Append(Alphabet, at, random.Next(1, Math.Min(20, Alphabet.Length - at) + 1));
            }
            var bytes = Encoding.ASCII.GetBytes(text.Append("\r\n\r\n").ToString());
            var end = AnswerHeadParser.EndOf(bytes);
            if (AnswerHeadParser.Parse(bytes.AsSpan(0, end), out var lines) is null)
            {
                Assert.InRange(lines.Length, 0, long.MaxValue);
                Assert.InRange(lines.Status, 100, 999);
            }
        }
    }
}
