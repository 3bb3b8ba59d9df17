using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Engines.Tests.Requests;
using OrleansPd.Testing;

namespace OrleansPd.Engines.Tests.Attempts;

/// <summary>
/// Any body that may be resumed gives a valid body for the continuation that begins with the same prompt, or none.
/// </summary>
public sealed class ResumeFuzzTests
{
    [Fact]
    public void The_body_of_a_continuation_begins_with_the_clients_prompt_or_there_is_none()
    {
        var made = 0;
        SeededRandom.ForEachSeed(4000, random => made += Try(random) ? 1 : 0);
        Assert.True(made > 100
            || Environment.GetEnvironmentVariable("ORLEANSPD_SEED") is not null, $"only {made} bodies were made");
    }

    private static bool Try(Random random)
    {
        var dialect = (Dialect)random.Next(3);
        // Few random bodies request a stream.
        var text = new RandomBody(random, dialect).Write();
        var body = Encoding.UTF8.GetBytes(text.Insert(text.IndexOf('{', StringComparison.Ordinal) + 1, "\"stream\":true,"));
        var shape = new RequestShape();
        if (!RequestScanner.TryScan(body, dialect, ScanLimits.Default, shape, out _) || !Resumable.Is(body, shape))
            return false;
        using var shared = SharedBody.CopyOf(body);
        var call = new DispatchCall { Path = "/", Body = shared, Shape = shape, Pair = new PairRequest() };
        var first = ResumeBody.First(call);
        Assert.True(IsObject(first.Body.Memory.Span), Encoding.UTF8.GetString(first.Body.Memory.Span));
        using var journal = new StreamJournal(dialect, false, false);
        using var output = new PooledBuffer();
        Feed(journal, dialect, output);
        journal.NextAttempt();
        var next = ResumeBody.Next(first, journal);
        if (next is not null)
        {
            var (before, after) = (JsonNode.Parse(body)!, JsonNode.Parse(next.Body.Memory.Span)!);
            Assert.Equal(Prompt(before, dialect) + " river", Prompt(after, dialect));
            next.Body.Dispose();
        }
        if (!ReferenceEquals(first.Body, shared))
            first.Body.Dispose();
        return next is not null;
    }

    private static void Feed(StreamJournal journal, Dialect dialect, PooledBuffer output)
    {
        ReadOnlySpan<byte> chunk = dialect switch
        {
            Dialect.Generate =>
                """data: {"text":" river","output_ids":[7],"meta_info":{"id":"x","prompt_tokens":3,"completion_tokens":1,"finish_reason":null}}"""u8,
            Dialect.Chat => """data: {"id":"x","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":" river"},"finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"""u8,
            _ => """data: {"id":"x","created":1,"choices":[{"index":0,"text":" river","finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"""u8,
        };
        chunk = (byte[])[.. chunk, .. "\n\n"u8];
        using var framer = new SseFramer();
        Assert.Equal(SseReadResult.Event, framer.Read(ref chunk, out var e));
        Assert.True(journal.Take(e, output));
    }

    private static string Prompt(JsonNode body, Dialect dialect) => dialect switch
    {
        Dialect.Generate when body["text"] is { } text => (string)text!,
        Dialect.Generate => string.Join(' ', body["input_ids"]!.AsArray().Select(id => id!.ToJsonString()))
            .Replace(" 7", " river", StringComparison.Ordinal),
        Dialect.Chat => string.Concat(body["messages"]!.AsArray().Select(m => m!["content"]!.ToJsonString().Trim('"'))),
        _ => (string)body["prompt"]!,
    };

    private static bool IsObject(ReadOnlySpan<byte> text)
    {
        try
        {
            using var document = JsonDocument.Parse(text.ToArray(), new JsonDocumentOptions { MaxDepth = 512 });
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
