using System.Text;
using OrleansPd.Engines.Requests;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>What one engine answers: mostly sound, sometimes anything else, in chunks of any size.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As sent; null = none.</param>
/// <param name="Chunks">What can be read, piece by piece.</param>
/// <param name="End">What comes after the last piece.</param>
internal sealed record FuzzedResponse(int Status, string? ContentType, byte[][] Chunks, FuzzedEnd End)
{
    public const string PrefillOnly = "prefill-only";

    public static FuzzedResponse Draw(Random random, Dialect dialect, bool stream, bool prefill)
    {
        var text = prefill ? PrefillOnly : "hello";
        var status = random.Next(5) > 0 ? 200 : new[] { 100, 204, 302, 400, 404, 418, 429, 500, 502, 503 }[random.Next(10)];
        var type = random.Next(8) > 0
            ? stream && status == 200 ? "text/event-stream" : "application/json"
            : new[] { null, "text/html", "text/event-stream; charset=utf-8", "application/json", "",
                "text/event-stream" }[random.Next(6)];
        var sound = status >= 400
            ? random.Next(3) == 0 ? "<html>no</html>" : """{"object":"error","message":"the engine says no","code":500}"""
            : stream ? Events(random, dialect, text) : Whole(dialect, text);
        var bytes = Mutate(random, Encoding.UTF8.GetBytes(sound));
        var end = random.Next(6) switch { 0 => FuzzedEnd.Broken, 1 => FuzzedEnd.Silent, _ => FuzzedEnd.Clean };
        return new FuzzedResponse(status, type, Cut(random, bytes), end);
    }

    private static string Events(Random random, Dialect dialect, string text)
    {
        var all = new StringBuilder();
        var count = random.Next(0, 5);
        for (var i = 0; i < count; i++)
            all.Append("data: ").Append(Event(dialect, text, i == count - 1)).Append("\n\n");
        if (random.Next(8) == 0)
            all.Append("""data: {"error":{"message":"no","code":500}}""").Append("\n\n");
        return all.Append(random.Next(8) == 0 ? "" : "data: [DONE]\n\n").ToString();
    }

    private static string Event(Dialect dialect, string text, bool last) => dialect switch
    {
        Dialect.Generate =>
            $$$"""{"text":"{{{text}}}","output_ids":[1],"meta_info":{"id":"a","finish_reason":{{{(last ? """{"type":"length","length":1}""" : "null")}}},"prompt_tokens":3,"completion_tokens":1} }""",
        Dialect.Chat => $$$"""{"id":"a","created":1,"choices":[{"index":0,"delta":{"content":"{{{text}}}"},"finish_reason":{{{(last ? "\"length\"" : "null")}}}}]}""",
        _ => $$"""{"id":"a","created":1,"choices":[{"index":0,"text":"{{text}}","finish_reason":{{(last ? "\"length\"" : "null")}}}]}""",
    };

    private static string Whole(Dialect dialect, string text) => dialect switch
    {
        Dialect.Chat => $$$"""{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"{{{text}}}"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}""",
        _ => Event(dialect, text, last: true),
    };

    private static byte[] Mutate(Random random, byte[] sound)
    {
        var bytes = sound.ToList();
        for (var count = random.Next(3) == 0 ? random.Next(1, 4) : 0; count > 0 && bytes.Count > 0; count--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, random.Next(1, Math.Min(30, bytes.Count - at) + 1));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, random.Next(1, Math.Min(60, bytes.Count - at) + 1)));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }

    private static byte[][] Cut(Random random, byte[] bytes)
    {
        var chunks = new List<byte[]>();
        for (var at = 0; at < bytes.Length; at += chunks[^1].Length)
            chunks.Add(bytes[at..Math.Min(bytes.Length, at + random.Next(1, random.Next(3) == 0 ? 5 : 400))]);
        return [.. chunks];
    }
}

internal enum FuzzedEnd
{
    Clean,

    /// <summary>The connection is reset.</summary>
    Broken,

    /// <summary>Nothing more comes, and no end.</summary>
    Silent,
}

/// <summary>Engines whose answers a seed decides; what they are sent is kept.</summary>
internal sealed class FuzzedUpstream(Random random, Dialect dialect, bool stream) : IUpstream
{
    private readonly Lock _gate = new();
    private readonly List<(int Port, byte[] Body)> _sent = [];

    /// <summary>Generation calls, in the order in which they came.</summary>
    public (int Port, byte[] Body)[] Sent
    {
        get
        {
            lock (_gate)
                return [.. _sent];
        }
    }

    public ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        var prefill = request.Engine.Port % 2 == 1;
        FuzzedResponse response;
        int fate;
        lock (_gate)
        {
            response = FuzzedResponse.Draw(random, dialect, stream, prefill);
            fate = random.Next(20);
            if (request.Path == "/abort_request")
                return new(new Reply(new FuzzedResponse(200, null, [], FuzzedEnd.Clean)));
            var body = new MemoryStream();
            for (var i = 0; i < request.Body.SegmentCount; i++)
                body.Write(request.Body.Segment(i).Span);
            _sent.Add((request.Engine.Port, body.ToArray()));
        }
        return fate switch
        {
            0 => throw new UpstreamException(neverSent: true, "refused"),
            1 => throw new UpstreamException(neverSent: false, "reset"),
            2 => SilentAsync(cancellationToken),
            _ => new(new Reply(response)),
        };
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async ValueTask<IUpstreamResponse> SilentAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        throw new InvalidOperationException();
    }

    private sealed class Reply(FuzzedResponse response) : IUpstreamResponse
    {
        private int _chunk;
        private int _at;

        public int Status => response.Status;

        public string? ContentType => response.ContentType;

        public long? ContentLength =>
            response.End == FuzzedEnd.Clean && response.Status % 2 == 0 ? response.Chunks.Sum(c => c.Length) : null;

        public TimeSpan? RetryAfter => response.Status is 429 or 503 ? TimeSpan.FromSeconds(1) : null;

        public bool IsComplete => false;

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            if (_chunk == response.Chunks.Length)
            {
                if (response.End == FuzzedEnd.Silent)
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                return response.End == FuzzedEnd.Clean ? 0 : throw new UpstreamException(neverSent: false, "reset");
            }
            var rest = response.Chunks[_chunk].AsMemory(_at);
            var count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            _at += count;
            (_chunk, _at) = _at == response.Chunks[_chunk].Length ? (_chunk + 1, 0) : (_chunk, _at);
            return count;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
