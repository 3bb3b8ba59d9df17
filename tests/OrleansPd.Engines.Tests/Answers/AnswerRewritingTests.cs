using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Answers;

public sealed class AnswerRewritingTests
{
    [Theory]
    [InlineData("[[-1,5,null],[-2,6,\"x\"]]", "[]", "[[-1,5,null],[-2,6,\"x\"]]")]
    [InlineData("[ [-1,5,null] ]", "[[-3,7,null]]", "[[-1,5,null],[-3,7,null]]")]
    [InlineData("[]", "[[-3,7,null]]", "[[-3,7,null]]")]
    [InlineData("[]", "[]", "[]")]
    [InlineData("null", "[[1]]", "[[1]]")]
    [InlineData("[[1]]", "null", "null")]
    public void Prefill_lists_come_first(string prefill, string decode, string merged)
    {
        string Answer(string list) =>
            $$$"""{ "text":"a", "meta_info": {"id":"ä", "input_token_logprobs":{{{list}}} ,"x":1.50}} """;
        Assert.Equal(Answer(merged), Merge(Answer(prefill), Answer(decode)));
    }

    [Fact]
    public void A_list_of_one_leg_alone_is_unchanged()
    {
        const string With = """{"meta_info":{"input_top_logprobs":[1]}}""";
        const string Without = """{"meta_info":{"input_token_logprobs":[2]}}""";
        Assert.Equal(Without, Merge(With, Without));
        Assert.Equal(With, Merge(Without, With));
        Assert.Equal("{\"meta_info\":{\"input", Merge(With, "{\"meta_info\":{\"input"));
        Assert.Equal(With, Merge("oops", With));
    }

    [Fact]
    public void Stream_events_are_merged_by_their_index()
    {
        var merger = new LogprobMerger();
        Assert.True(merger.AddPrefill("""{"index":1,"meta_info":{"input_token_logprobs":[1]}}"""u8));
        Assert.True(merger.AddPrefill("""{"meta_info":{"input_token_logprobs":[0]},"index":0}"""u8));
        Assert.False(merger.AddPrefill("""{"index":1,"meta_info":{"input_token_logprobs":[9]}}"""u8));
        var output = new ArrayBufferWriter<byte>();
        Assert.True(merger.Write("""{"meta_info":{"input_token_logprobs":[7]},"index":1}"""u8, output));
        Assert.True(merger.Write("""{"meta_info":{"input_token_logprobs":[]},"index":0}"""u8, output));
        Assert.Equal(
            """{"meta_info":{"input_token_logprobs":[1,7]},"index":1}{"meta_info":{"input_token_logprobs":[0]},"index":0}""",
            Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Fact]
    public void Random_batches_are_merged_like_the_document_model_does()
    {
        string[] keys = ["input_token_logprobs", "input_top_logprobs", "input_token_ids_logprobs", "output_token_logprobs"];
        for (var seed = 1; seed <= 1000; seed++)
        {
            var random = new Random(seed);
            var items = random.Next(1, 5);
            var prefill = new JsonArray([.. Enumerable.Range(0, items).Select(_ => Answer(random))]);
            var decode = new JsonArray([.. Enumerable.Range(0, items).Select(_ => Answer(random))]);
            var merged = Merge(prefill.ToJsonString(), decode.ToJsonString());
            for (var item = 0; item < items; item++)
            {
                foreach (var key in keys[..3])
                {
                    if (decode[item]!["meta_info"]![key] is JsonArray own && prefill[item]!["meta_info"]![key] is JsonArray front)
                    {
                        decode[item]!["meta_info"]![key] = new JsonArray(
                            [.. front.Concat(own).Select(value => value!.DeepClone())]);
                    }
                }
            }
            Assert.True(decode.ToJsonString() == merged, $"seed {seed}");
        }

        JsonNode Answer(Random random)
        {
            var meta = new JsonObject { ["id"] = "x" };
            foreach (var key in keys.Where(_ => random.Next(3) > 0))
            {
                meta[key] = new JsonArray(
                    [.. Enumerable.Range(0, random.Next(3)).Select(_ => (JsonNode)new JsonArray(random.Next(), "t"))]);
            }

            return new JsonObject { ["text"] = "a", ["meta_info"] = meta };
        }
    }

    [Theory]
    [InlineData("""{"id": "a","choices":[{"index":0,"text":"x"}],"z":1.0}""", Dialect.Completions,
        """{"id": "j\"","choices":[{"index":3,"text":"x"}],"z":1.0}""")]
    [InlineData("""{"choices":[],"id":"a"}""", Dialect.Chat, """{"choices":[],"id":"j\""}""")]
    [InlineData("""{ "text":"index","meta_info":{"x":[],"id":"a"}}""", Dialect.Generate,
        """{ "index":3,"text":"index","meta_info":{"x":[],"id":"j\""}}""")]
    [InlineData("""{"text":"x","index":0,"meta_info":{}}""", Dialect.Generate, """{"text":"x","index":3,"meta_info":{}}""")]
    public void A_part_gets_its_index_and_the_common_id(string data, Dialect dialect, string expected)
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.True(SampleRewriter.Rewrite(Encoding.UTF8.GetBytes(data), dialect, 3, "j\"", output));
        Assert.Equal(expected, Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Theory]
    [InlineData("[DONE]")]
    [InlineData("{}")]
    [InlineData("{\"id\":")]
    public void Data_that_is_not_an_object_is_not_rewritten(string data)
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.False(SampleRewriter.Rewrite(Encoding.UTF8.GetBytes(data), Dialect.Chat, 3, "j", output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void Usage_is_read_and_rewritten()
    {
        var chunk = """{"id":"a","choices":[],"usage":{"prompt_tokens":5,"total_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2},"reasoning_tokens":1}}"""u8;
        Assert.True(SampleRewriter.TryReadUsage(chunk, Dialect.Chat, out var usage));
        Assert.Equal(new Usage(5, 4, 1, 2), usage);
        var output = new ArrayBufferWriter<byte>();
        Assert.True(SampleRewriter.RewriteUsage(chunk, new(50, 40, 10, 20), "j", output));
        Assert.Equal(
            """{"id":"j","choices":[],"usage":{"prompt_tokens":50,"total_tokens":90,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":20},"reasoning_tokens":10}}""",
            Encoding.UTF8.GetString(output.WrittenSpan));
        Assert.True(SampleRewriter.TryReadUsage(
            """{"meta_info":{"prompt_tokens":6,"completion_tokens":16,"cached_tokens":3}}"""u8, Dialect.Generate, out usage));
        Assert.Equal(new Usage(6, 16, 0, 3), usage);
        Assert.False(SampleRewriter.TryReadUsage("""{"usage":null}"""u8, Dialect.Chat, out _));
    }

    [Fact]
    public void Generate_parts_become_an_array()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.True(AnswerJoiner.JoinGenerate([Bytes("{\"a\":1}\n"), Bytes(" {\"b\":2}")], output));
        Assert.Equal("[{\"a\":1},{\"b\":2}]", Encoding.UTF8.GetString(output.WrittenSpan));
        Assert.False(AnswerJoiner.JoinGenerate([Bytes("{\"a\":1}"), Bytes("oops")], output));
    }

    [Fact]
    public void OpenAi_parts_become_one_answer()
    {
        ReadOnlyMemory<byte> Part(int prompt, int completion, string text) => Bytes(
            $$$"""{"id":"{{{text}}}","object":"o","choices":[{"index":0,"text":"{{{text}}}","logprobs":1.50}],"usage":{"prompt_tokens":{{{prompt}}},"total_tokens":0,"completion_tokens":{{{completion}}},"prompt_tokens_details":null},"metadata":{"weight_version":"{{{text}}}"}}""");
        var output = new ArrayBufferWriter<byte>();
        Assert.True(AnswerJoiner.JoinOpenAi(
            [Part(5, 1, "a"), Part(5, 2, "b"), Part(7, 3, "c"), Part(7, 4, "d")], Dialect.Completions, samples: 2, "joint",
            output));
        Assert.Equal(
            """{"id":"joint","object":"o","choices":[{"index":0,"text":"a","logprobs":1.50},{"index":1,"text":"b","logprobs":1.50},{"index":2,"text":"c","logprobs":1.50},{"index":3,"text":"d","logprobs":1.50}],"usage":{"prompt_tokens":12,"total_tokens":22,"completion_tokens":10,"prompt_tokens_details":null},"metadata":{"weight_version":"a"}}""",
            Encoding.UTF8.GetString(output.WrittenSpan));
        Assert.False(AnswerJoiner.JoinOpenAi([Part(1, 1, "a"), Bytes("{}")], Dialect.Completions, 2, null, output));
    }

    [Fact]
    public void Random_answers_are_joined_like_the_document_model_does()
    {
        for (var seed = 1; seed <= 500; seed++)
        {
            var random = new Random(seed);
            var samples = random.Next(1, 4);
            var parts = Enumerable.Range(0, samples * random.Next(1, 4)).Select(_ => Answer(random)).ToArray();
            var expected = parts[0].DeepClone().AsObject();
            expected["id"] = "joint";
            expected["choices"] = new JsonArray([.. parts.Select((part, index) =>
            {
                var choice = part["choices"]![0]!.DeepClone();
                choice["index"] = index;
                return choice;
            })]);
            long completion = parts.Sum(part => part["usage"]!["completion_tokens"]!.GetValue<int>());
            long prompt = parts.Where((_, at) => at % samples == 0).Sum(part => part["usage"]!["prompt_tokens"]!.GetValue<int>());
            expected["usage"]!["completion_tokens"] = completion;
            expected["usage"]!["prompt_tokens"] = prompt;
            expected["usage"]!["total_tokens"] = prompt + completion;
            var output = new ArrayBufferWriter<byte>();
            var joined = AnswerJoiner.JoinOpenAi(
                [.. parts.Select(part => Bytes(part.ToJsonString()))], Dialect.Chat, samples, "joint", output);
            Assert.True(joined && JsonNode.DeepEquals(expected, JsonNode.Parse(output.WrittenSpan)), $"seed {seed}");
        }

        static JsonObject Answer(Random random)
        {
            (string, JsonNode)[] members =
            [
                ("id", random.Next()), ("model", "m\"ä"),
                ("choices", new JsonArray(new JsonObject
                {
                    ["message"] = new JsonObject { ["content"] = $"text {random.Next()}", ["index"] = 9 },
                    ["index"] = 0,
                    ["finish_reason"] = "stop",
                })),
                ("usage", new JsonObject { ["completion_tokens"] = random.Next(
                    99), ["total_tokens"] = 1, ["prompt_tokens"] = random.Next(99), ["x"] = null }),
            ];
            random.Shuffle(members);
            return new JsonObject(members.Select(member => KeyValuePair.Create(member.Item1, (JsonNode?)member.Item2)));
        }
    }

    private static string Merge(string prefill, string decode)
    {
        var merger = new LogprobMerger();
        merger.AddPrefill(Encoding.UTF8.GetBytes(prefill));
        var output = new ArrayBufferWriter<byte>();
        merger.Write(Encoding.UTF8.GetBytes(decode), output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
