using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;
using OrleansPd.Testing;

namespace OrleansPd.Engines.Tests.Answers;

/// <summary>
/// Malformed event streams and answers against all readers and rewriters: nothing throws or loops, and relayed bytes are the
/// bytes received. A failure prints its seed.
/// </summary>
public sealed class StreamFuzzTests
{
    private const int Seeds = 4000;

    [Fact]
    public void The_events_of_a_stream_do_not_depend_on_its_chunks_and_no_byte_is_lost() =>
        SeededRandom.ForEachSeed(Seeds, random =>
    {
        var stream = Stream(random);
        var whole = Frame(stream, [stream.Length], 1 << 20);
        var cuts = new List<int>();
        for (var at = 0; at < stream.Length; at += cuts[^1])
            cuts.Add(Math.Min(random.Next(1, random.Next(2) == 0 ? 4 : 200), stream.Length - at));
        var pieces = Frame(stream, cuts, 1 << 20);
        Assert.Equal(whole.Events, pieces.Events);
        Assert.Equal(whole.Pending, pieces.Pending);
        // The relayed events and the incomplete rest are all the bytes received.
        Assert.Equal(stream.Length, whole.Raw + whole.Pending);
    });

    [Fact]
    public void An_event_without_an_end_fails_at_the_size_limit() => SeededRandom.ForEachSeed(300, random =>
    {
        var limit = random.Next(64, 5000);
        using var framer = new SseFramer(limit);
        var result = SseReadResult.NeedMore;
        var fed = 0;
        while (result != SseReadResult.TooLong)
        {
            ReadOnlySpan<byte> chunk = Encoding.ASCII.GetBytes("data: " + new string('x', random.Next(1, 300)));
            fed += chunk.Length;
            result = framer.Read(ref chunk, out _);
            Assert.True(fed <= limit + 306, "it went on");
            Assert.InRange(framer.Pending, 0, limit);
        }
        ReadOnlySpan<byte> end = "\n\n"u8;
        Assert.Equal(SseReadResult.TooLong, framer.Read(ref end, out _)); // and stays given up
    });

    [Fact]
    public void A_malformed_event_never_throws_and_is_never_misclassified() =>
        SeededRandom.ForEachSeed(Seeds, random =>
    {
        var dialect = (Dialect)random.Next(3);
        var data = Mutated(random, Encoding.UTF8.GetBytes(Event(random, dialect)));
        var facts = EventClassifier.Classify(data, dialect);
        if (facts.Kind is EventKind.Error or EventKind.Abort)
        {
            Assert.True(EventClassifier.MayBeError(data), Show(data)); // the quick look never misses one
        }
        if (!IsJson(data))
        {
            Assert.False(EventClassifier.IsObject(data), Show(data)); // nor is anything passed on as sound that is not
        }
        _ = ErrorBody.Extract(data);
        _ = ErrorBody.TryReadAbort(data, dialect, out _);
        _ = SampleRewriter.TryReadUsage(data, dialect, out _);
    });

    [Fact]
    public void Rewritten_data_is_valid_where_the_original_was_and_unchanged_otherwise() =>
        SeededRandom.ForEachSeed(Seeds, random =>
    {
        var dialect = (Dialect)random.Next(3);
        var data = Mutated(random, Encoding.UTF8.GetBytes(Event(random, dialect)));
        var output = new ArrayBufferWriter<byte>();
        var sound = IsJson(data);
        if (SampleRewriter.Rewrite(data, dialect, random.Next(100), random.Next(2) == 0 ? "ours" : null, output))
            Assert.True(!sound || IsJson(output.WrittenSpan), $"{Show(data)} became {Show(output.WrittenSpan)}");
        else
            Assert.Equal(0, output.WrittenCount);
        output.ResetWrittenCount();
        var merger = new LogprobMerger();
        merger.AddPrefill(Mutated(random, Encoding.UTF8.GetBytes(Event(random, Dialect.Generate))));
        if (!merger.Write(data, output))
            Assert.Equal(data, output.WrittenSpan);
        else
            Assert.True(!sound || IsJson(output.WrittenSpan), $"{Show(data)} became {Show(output.WrittenSpan)}");
        output.ResetWrittenCount();
        if (SampleRewriter.RewriteUsage(data, new Usage(1, 2, 3, 4), "ours", output))
            Assert.True(!sound || IsJson(output.WrittenSpan), $"{Show(data)} became {Show(output.WrittenSpan)}");
    });

    [Fact]
    public void Joined_answers_are_valid_or_refused() => SeededRandom.ForEachSeed(Seeds, random =>
    {
        var dialect = (Dialect)random.Next(3);
        var parts = Enumerable.Range(0, random.Next(1, 5))
            .Select(_ => (ReadOnlyMemory<byte>)Mutated(random, Encoding.UTF8.GetBytes(Event(random, dialect)), often: 3))
            .ToArray();
        var output = new ArrayBufferWriter<byte>();
        var good = dialect == Dialect.Generate
            ? AnswerJoiner.JoinGenerate(parts, output)
            : AnswerJoiner.JoinOpenAi(parts, dialect, 1, "ours", output);
        if (good)
            Assert.True(!parts.All(p => IsJson(p.Span)) || IsJson(output.WrittenSpan), Show(output.WrittenSpan));
        else
            Assert.Equal(0, output.WrittenCount);
    });

    /// <summary>
    /// The journal sees only objects that passed <see cref="EventClassifier.IsObject"/>; it must accept all of these.
    /// </summary>
    [Fact]
    public void The_journal_of_a_resumable_stream_accepts_every_object() => SeededRandom.ForEachSeed(Seeds, random =>
    {
        var dialect = (Dialect)random.Next(3);
        using var journal = new StreamJournal(dialect, random.Next(2) == 0, random.Next(2) == 0);
        using var output = new PooledBuffer();
        for (var life = random.Next(1, 3); life > 0; life--)
        {
            for (var count = random.Next(1, 6); count > 0; count--)
            {
                var data = Mutated(random, Encoding.UTF8.GetBytes(Event(random, dialect)), often: 3);
                if (!EventClassifier.IsObject(data))
                    continue;
                using var framer = new SseFramer();
                ReadOnlySpan<byte> chunk = (byte[])[.. "data: "u8, .. data, .. "\n\n"u8];
                if (framer.Read(ref chunk, out var e) == SseReadResult.Event && EventClassifier.IsObject(e.Data))
                    journal.Take(e, output);
            }
            _ = (journal.Text, journal.Tokens, journal.OutputIds, journal.IsBroken);
            journal.NextAttempt();
        }
        foreach (var (data, isDone) in Frame(output.Written.ToArray(), [output.Length], 1 << 20).Events)
            Assert.True(isDone || IsJson(Encoding.UTF8.GetBytes(data)), data);
    });

    private static (List<(string Data, bool IsDone)> Events, int Raw, int Pending) Frame(
        byte[] stream, IEnumerable<int> cuts, int limit)
    {
        using var framer = new SseFramer(limit);
        var events = new List<(string, bool)>();
        var (at, raw) = (0, 0);
        foreach (var cut in cuts)
        {
            ReadOnlySpan<byte> chunk = stream.AsSpan(at, cut);
            at += cut;
            while (framer.Read(ref chunk, out var e) == SseReadResult.Event)
            {
                raw += e.Raw.Length;
                events.Add((Encoding.UTF8.GetString(e.Data), e.IsDone));
            }
        }
        return (events, raw, framer.Pending);
    }

    private static byte[] Stream(Random random)
    {
        var stream = new List<byte>();
        for (var count = random.Next(0, 8); count > 0; count--)
        {
            string[] before = ["", "", "", ": a comment\n", "event: x\r\n", "id: 7\n", "data\n", "\r\n", "\r"];
            string[] after = ["\n\n", "\n\n", "\r\n\r\n", "\n\r\n", "\n", "\r\n", ""];
            stream.AddRange(Encoding.UTF8.GetBytes(
                before[random.Next(before.Length)] + (random.Next(5) == 0 ? "data:" : "data: ")
                + (random.Next(8) == 0 ? "[DONE]" : Event(random, (Dialect)random.Next(3))) + after[random.Next(after.Length)]));
        }
        return Mutated(random, [.. stream]);
    }

    /// <summary>A valid event or answer of an engine, with unusual and huge values.</summary>
    private static string Event(Random random, Dialect dialect)
    {
        string Odd() => random.Next(14) switch
        {
            0 => "null",
            1 => "[]",
            2 => "{}",
            3 => "\"x\"",
            4 => "-1",
            5 => "1e400",
            6 => "123456789012345678901234567890",
            7 => "true",
            8 => "[[1,2],{}]",
            9 => "\"\\ud800\"",
            10 => "\"\\u0065rror\"",
            _ => random.Next(1000).ToString(CultureInfo.InvariantCulture),
        };
        string Word() => random.Next(6) switch
        {
            0 =>
            "\"naïve 日本 😀\"",
            1 => "\"\\\"error\\\"\"",
            2 => "\"\"",
            3 => "\"data: [DONE]\\n\\n\"",
            _ => "\"hello\""
        };
        if (random.Next(8) == 0)
        {
            return random.Next(3) switch
            {
                0 => $$$"""{"error":{"message":{{{Word()}}},"code":{{{Odd()}}}}}""",
                1 => $$"""{"object":"error","message":{{Word()}},"code":{{Odd()}}}""",
                _ => $$"""{"error":{{Odd()}}}""",
            };
        }
        var finish = random.Next(4) switch
        {
            0 => "null",
            1 => Odd(),
            2 => """{"type":"abort","message":"m","status_code":500}""",
            _ => """{"type":"length","length":4}""",
        };
        var usage = $$"""{"prompt_tokens":{{Odd()}},"completion_tokens":{{Odd()}},"total_tokens":3,"prompt_tokens_details":{{Odd()}}}""";
        return dialect switch
        {
            Dialect.Generate =>
                $$$"""{"text":{{{Word()}}},"output_ids":{{{Odd()}}},"index":{{{Odd()}}},"meta_info":{"id":{{{Word()}}},"finish_reason":{{{finish}}},"prompt_tokens":{{{Odd()}}},"completion_tokens":{{{Odd()}}},"input_token_logprobs":{{{Odd()}}} } }""",
            Dialect.Chat => $$$"""{"id":{{{Word()}}},"created":{{{Odd()}}},"choices":[{"index":{{{Odd()}}},"delta":{"role":{{{Odd()}}},"content":{{{Word()}}},"tool_calls":{{{Odd()}}}},"finish_reason":{{{finish}}}}],"usage":{{{usage}}}}""",
            _ => $$"""{"id":{{Word()}},"choices":[{"index":{{Odd()}},"text":{{Word()}},"finish_reason":{{finish}}}],"usage":{{(random.Next(2) == 0 ? usage : Odd())}}}""",
        };
    }

    /// <summary>One in <paramref name="often"/> stays valid.</summary>
    private static byte[] Mutated(Random random, byte[] sound, int often = 2)
    {
        var bytes = sound.ToList();
        for (var count = random.Next(often) == 0 ? random.Next(1, 5) : 0; count > 0 && bytes.Count > 0; count--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] = (byte)"\"\\{}[],:0-1.eEtfnu \n\r"[random.Next(21)];
                    break;
                case 2:
                    bytes.RemoveRange(at, random.Next(1, Math.Min(20, bytes.Count - at) + 1));
                    break;
                case 3:
                    bytes.Insert(at, (byte)"\"\\{}[],:\n\r"[random.Next(10)]);
                    break;
                case 4:
                    bytes.InsertRange(at, bytes.GetRange(at, random.Next(1, Math.Min(60, bytes.Count - at) + 1)));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }

    private static bool IsJson(ReadOnlySpan<byte> text)
    {
        try
        {
            using var document = JsonDocument.Parse(text.ToArray(), new JsonDocumentOptions { MaxDepth = 512 });
            return System.Text.Unicode.Utf8.IsValid(text);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Show(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
