using System.Globalization;
using System.Text;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// What is sent and what is answered: fixed bytes, known to both ends, so that both can check what they receive.
/// </summary>
internal sealed class Payload
{
    public const int EventBytes = 240;
    private const int StampDigits = 16;
    private static readonly byte[] StampKey = "\"stamp\":\""u8.ToArray();

    public Payload(string name, int size, bool stream, bool ids = false)
    {
        (Name, Stream) = (name, stream);
        Path = ids ? "/generate" : "/v1/chat/completions";
        Body = ids ? Ids(size, stream) : Chat(size, stream);
    }

    public string Name { get; }

    public bool Stream { get; }

    public string Path { get; }

    public byte[] Body { get; }

    /// <summary>The plain answer, head and body.</summary>
    public static byte[] Answer { get; } = WithHead("200 OK", AnswerBody);

    public static ReadOnlySpan<byte> AnswerBody => """
        {"id":"0af7651916cd43dd8448eb211c80319c","object":"chat.completion","created":1752000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"Forty-two, of course."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":250,"total_tokens":256,"completion_tokens":6}}
        """u8;

    public static byte[] StreamHead { get; } = Encoding.ASCII.GetBytes(
        "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        + "transfer-encoding: chunked\r\n\r\n");

    /// <summary>The last event and the end of the chunks.</summary>
    public static byte[] StreamEnd { get; } = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"u8.ToArray();

    /// <summary>A whole request as it goes to a server.</summary>
    public byte[] Request(int port, string? key = null) =>
    [
        .. Encoding.ASCII.GetBytes(
            $"POST {Path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n"
            + (key is null ? "" : $"Authorization: Bearer {key}\r\n") + "\r\n"),
        .. Body,
    ];

    public static byte[] WithHead(string status, ReadOnlySpan<byte> body) =>
    [
        .. Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {status}\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: {body.Length}\r\n"
            + "content-type: application/json\r\n\r\n"),
        .. body,
    ];

    /// <summary>One event as one chunk; the place of its time of sending is <see cref="Stamp"/>'s to fill.</summary>
    public static byte[] Event()
    {
        var text = "data: {\"id\":\"0af7651916cd43dd8448eb211c80319c\",\"object\":\"chat.completion.chunk\",\"created\":1752000000,"
            + $"\"model\":\"bench\",\"stamp\":\"{new string('0', StampDigits)}\","
            + "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"}}]}";
        text = text.Insert(text.Length - 1, new string(' ', EventBytes - 2 - text.Length)) + "\n\n";
        return Encoding.ASCII.GetBytes($"{text.Length:x}\r\n{text}\r\n");
    }

    public static void Stamp(Span<byte> e, long time)
    {
        var at = e.IndexOf(StampKey) + StampKey.Length;
        _ = time.TryFormat(e.Slice(at, StampDigits), out _, "D16", CultureInfo.InvariantCulture);
    }

    /// <summary>When the first event in these bytes was sent; 0 when there is none.</summary>
    public static long StampOf(ReadOnlySpan<byte> events)
    {
        var at = events.IndexOf(StampKey);
        return at >= 0 && events.Length >= at + StampKey.Length + StampDigits
            && long.TryParse(events.Slice(at + StampKey.Length, StampDigits), CultureInfo.InvariantCulture, out var time) ? time
            : 0;
    }

    private static byte[] Chat(int size, bool stream)
    {
        var head = $$"""{"model":"bench","stream":{{(stream ? "true" : "false")}},"max_tokens":128,"temperature":0.7,"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":" """;
        const string Tail = "\"}]}";
        var text = new StringBuilder(size + 64).Append(head);
        var words = new Random(1);
        string[] all = ["the", "quick", "brown", "fox", "said", "\\\"never\\\"", "caf\\u00e9", "over", "lazy", "dogs.\\n",
            "again", "naïve"];
        while (text.Length < size - Tail.Length)
            text.Append(all[words.Next(all.Length)]).Append(' ');
        return Encoding.UTF8.GetBytes(text.Append(Tail).ToString());
    }

    private static byte[] Ids(int size, bool stream)
    {
        var text = new StringBuilder(size + 64).Append("{\"input_ids\":[1");
        var ids = new Random(1);
        while (text.Length < size - 100)
            text.Append(CultureInfo.InvariantCulture, $", {ids.Next(150_000)}");
        text.Append("],\"sampling_params\":{\"max_new_tokens\":16,\"temperature\":0},\"stream\":")
            .Append(stream ? "true}" : "false}");
        return Encoding.ASCII.GetBytes(text.ToString());
    }
}
