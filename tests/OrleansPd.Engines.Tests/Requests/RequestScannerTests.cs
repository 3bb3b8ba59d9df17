using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

public sealed class RequestScannerTests
{
    [Theory]
    [InlineData("", "empty")]
    [InlineData("  \n", "empty")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("\"x\"", "must be a JSON object")]
    [InlineData("{", "ends in the middle")]
    [InlineData("{\"text\":\"a", "ends in the middle")]
    [InlineData("{\"text\":tru", "ends in the middle")]
    [InlineData("{\"text\":\"a\"", "ends in the middle")]
    [InlineData("{\"text\":\"a\"} x", "more text behind")]
    [InlineData("{\"text\":\"a\"}{}", "more text behind")]
    [InlineData("{\"text\":\"a\",}", "unexpected character")]
    [InlineData("{,\"text\":\"a\"}", "unexpected character")]
    [InlineData("{\"text\" \"a\"}", "unexpected character")]
    [InlineData("{\"text\":[1,]}", "unexpected character")]
    [InlineData("{\"text\":[1}", "unexpected character")]
    [InlineData("{'text':1}", "unexpected character")]
    [InlineData("{\"text\":NaN}", "unexpected character")]
    [InlineData("{\"text\":Infinity}", "unexpected character")]
    [InlineData("{\"text\":-Infinity}", "number")]
    [InlineData("{\"text\":01}", "unexpected character")]
    [InlineData("{\"text\":1.}", "number")]
    [InlineData("{\"text\":1e}", "number")]
    [InlineData("{\"text\":.5}", "unexpected character")]
    [InlineData("{\"text\":nope}", "quotes")]
    [InlineData("{\"text\":\"a\nb\"}", "control character")]
    [InlineData("{\"text\":\"\\x41\"}", "escape")]
    [InlineData("{\"text\":\"\\u12g4\"}", "escape")]
    [InlineData("\uFEFF{\"text\":\"a\"}", "must be a JSON object")]
    public void Malformed_bodies_are_refused_without_naming_a_member(string body, string words)
    {
        var error = Scan.Refused(body, Dialect.Generate);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Null(error.Param);
    }

    [Fact]
    public void Invalid_utf8_is_refused_with_its_offset()
    {
        var body = Scan.Utf8("{\"text\":\"äx\"}");
        body[11] = 0xFF;
        var error = Scan.Refused(body, Dialect.Generate);
        Assert.Equal(11, error.Offset);
        Assert.Contains("UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void Depth_counts_the_request_object(int levels, bool good)
    {
        var body = "{\"text\":\"a\",\"x\":" + new string('[', levels - 1) + new string(']', levels - 1) + "}";
        if (good)
            Scan.Ok(body, Dialect.Generate);
        else
            Assert.Contains("deeper than 64", Scan.Refused(body, Dialect.Generate).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\":\"abcde\"}", PromptKind.Text, false, 1, 2)]
    [InlineData("{\"text\":\"\"}", PromptKind.Text, false, 1, 1)]
    [InlineData("{\"text\":[\"abcde\"]}", PromptKind.TextList, true, 1, 2)]
    [InlineData("{\"text\":[\"a\" , \"b\"]}", PromptKind.TextList, true, 2, 2)]
    [InlineData("{\"input_ids\":[1,2,3]}", PromptKind.Ids, false, 1, 3)]
    [InlineData("{\"input_ids\":[[1,2],[ 3 ]]}", PromptKind.IdsList, true, 2, 3)]
    [InlineData("{\"input_embeds\":[[0.1,0.2],[1,2],[3,4]]}", PromptKind.Embeds, false, 1, 3)]
    [InlineData("{\"input_embeds\":[[[0.1],[1]],[[1]]]}", PromptKind.EmbedsList, true, 2, 3)]
    [InlineData("{\"text\":\"abcd\",\"input_ids\":[[1]]}", PromptKind.Text, false, 1, 1)]
    [InlineData("{\"input_embeds\":[[1]],\"input_ids\":[[1],[2]]}", PromptKind.IdsList, true, 2, 2)]
    [InlineData("{\"text\":null,\"input_ids\":[7]}", PromptKind.Ids, false, 1, 1)]
    [InlineData("{\"text\":[\"a\"],\"text\":\"b\"}", PromptKind.Text, false, 1, 1)]
    [InlineData("{\"text\":\"b\",\"te\\u0078t\":[\"a\",\"b\"]}", PromptKind.TextList, true, 2, 2)]
    public void Generate_decides_single_or_batch_by_the_prompt(
        string body, PromptKind kind, bool batch, int items, long tokens) =>
        CheckPrompt(body, Dialect.Generate, kind, batch, items, tokens);

    [Theory]
    [InlineData("{\"prompt\":\"abcde\"}", PromptKind.Text, false, 1, 2)]
    [InlineData("{\"prompt\":[1,2,3]}", PromptKind.Ids, false, 1, 3)]
    [InlineData("{\"prompt\":[\"a\",\"b\"]}", PromptKind.TextList, true, 2, 2)]
    [InlineData("{\"prompt\":[[1,2],[3]]}", PromptKind.IdsList, true, 2, 3)]
    public void Completions_decides_single_or_batch_by_the_prompt(
        string body, PromptKind kind, bool batch, int items, long tokens) =>
        CheckPrompt(body, Dialect.Completions, kind, batch, items, tokens);

    [Fact]
    public void Chat_is_never_a_batch() => CheckPrompt(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"input_ids\":[[1],[2]]}", Dialect.Chat, PromptKind.Messages,
        false, 1, 8);

    private static void CheckPrompt(string body, Dialect dialect, PromptKind kind, bool batch, int items, long tokens)
    {
        var shape = Scan.Ok(body, dialect);
        Assert.Equal((kind, batch, items, tokens), (shape.PromptKind, shape.IsBatch, shape.Items, shape.PromptTokensEstimate));
        Assert.Equal(batch ? items : 0, shape.PromptItems.Length);
    }

    [Theory]
    [InlineData("{}", "text")]
    [InlineData("{\"text\":null}", "text")]
    [InlineData("{\"text\":\"a\",\"input_ids\":[1],\"input_embeds\":[[1]]}", "text")]
    [InlineData("{\"text\":1}", "text")]
    [InlineData("{\"text\":[]}", "text")]
    [InlineData("{\"text\":[\"a\",1]}", "text")]
    [InlineData("{\"text\":[\"a\",null]}", "text")]
    [InlineData("{\"text\":[[\"a\"]]}", "text")]
    [InlineData("{\"input_ids\":[ ]}", "input_ids")]
    [InlineData("{\"input_ids\":[[1],[ ]]}", "input_ids")]
    [InlineData("{\"input_ids\":[1,[2]]}", "input_ids")]
    [InlineData("{\"input_ids\":[[1],2]}", "input_ids")]
    [InlineData("{\"input_ids\":[[[1]]]}", "input_ids")]
    [InlineData("{\"input_ids\":[[1],[[2]]]}", "input_ids")]
    [InlineData("{\"input_ids\":[1.5]}", "input_ids")]
    [InlineData("{\"input_ids\":[\"1\"]}", "input_ids")]
    [InlineData("{\"input_ids\":[true]}", "input_ids")]
    [InlineData("{\"input_ids\":5}", "input_ids")]
    [InlineData("{\"input_embeds\":[]}", "input_embeds")]
    [InlineData("{\"input_embeds\":[[]]}", "input_embeds")]
    [InlineData("{\"input_embeds\":[1]}", "input_embeds")]
    [InlineData("{\"text\":\"a\",\"stream\":1}", "stream")]
    [InlineData("{\"text\":\"a\",\"stream\":\"true\"}", "stream")]
    [InlineData("{\"text\":\"a\",\"model\":5}", "model")]
    [InlineData("{\"text\":\"a\",\"rid\":5}", "rid")]
    [InlineData("{\"text\":\"a\",\"rid\":\"\"}", "rid")]
    [InlineData("{\"text\":\"a\",\"rid\":\"HEALTH_CHECK_1\"}", "rid")]
    [InlineData("{\"text\":\"a\",\"rid\":\"\\u0048EALTH_CHECK_1\"}", "rid")]
    [InlineData("{\"text\":\"a\",\"rid\":\"\\ud800\"}", "rid")]
    [InlineData("{\"text\":\"a\",\"rid\":[\"x\"]}", "rid")]
    [InlineData("{\"text\":[\"a\"],\"rid\":[\"x\",\"y\"]}", "rid")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"rid\":[\"x\",\"\\u0078\"]}", "rid")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"rid\":[\"x\",null]}", "rid")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"rid\":[\"x\",\"\"]}", "rid")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"rid\":[\"x\",\"HEALTH_CHECK\"]}", "rid")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":5}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":[{}]}", "sampling_params")]
    [InlineData("{\"text\":[\"a\"],\"sampling_params\":[{},{}]}", "sampling_params")]
    [InlineData("{\"text\":[\"a\"],\"sampling_params\":[null]}", "sampling_params")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"sampling_params\":[{\"n\":2},{}]}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":{\"n\":0}}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":{\"n\":129}}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":{\"n\":2.0}}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":{\"n\":1e0}}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":{\"n\":true}}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"sampling_params\":{\"n\":\"2\"}}", "sampling_params")]
    [InlineData("{\"text\":\"a\",\"return_logprob\":1}", "return_logprob")]
    [InlineData("{\"text\":\"a\",\"return_logprob\":[true]}", "return_logprob")]
    [InlineData("{\"text\":[\"a\"],\"return_logprob\":[1]}", "return_logprob")]
    [InlineData("{\"text\":[\"a\"],\"return_logprob\":[true,false]}", "return_logprob")]
    [InlineData("{\"text\":\"a\",\"logprob_start_len\":[0]}", "logprob_start_len")]
    [InlineData("{\"text\":\"a\",\"logprob_start_len\":\"0\"}", "logprob_start_len")]
    [InlineData("{\"text\":\"a\",\"top_logprobs_num\":129}", "top_logprobs_num")]
    [InlineData("{\"text\":\"a\",\"top_logprobs_num\":\"129\"}", "top_logprobs_num")]
    [InlineData("{\"text\":\"a\",\"top_logprobs_num\":-1}", "top_logprobs_num")]
    [InlineData("{\"text\":\"a\",\"top_logprobs_num\":true}", "top_logprobs_num")]
    [InlineData("{\"text\":\"a\",\"top_logprobs_num\":[5]}", "top_logprobs_num")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"top_logprobs_num\":[5,500]}", "top_logprobs_num")]
    [InlineData("{\"text\":[\"a\",\"b\"],\"image_data\":[\"i\"]}", "image_data")]
    public void Generate_refuses_and_names_the_member(string body, string param) =>
        Assert.Equal(param, Scan.Refused(body, Dialect.Generate).Param);

    [Theory]
    [InlineData("{}", "messages")]
    [InlineData("{\"messages\":\"x\"}", "messages")]
    [InlineData("{\"messages\":[]}", "messages")]
    [InlineData("{\"messages\":[1]}", "messages")]
    [InlineData("{\"messages\":[{}],\"n\":0}", "n")]
    [InlineData("{\"messages\":[{}],\"n\":2.0}", "n")]
    [InlineData("{\"messages\":[{}],\"n\":true}", "n")]
    [InlineData("{\"messages\":[{}],\"top_logprobs\":129}", "top_logprobs")]
    [InlineData("{\"messages\":[{}],\"stream_options\":1}", "stream_options")]
    [InlineData("{\"messages\":[{}],\"rid\":[\"a\"]}", "rid")]
    public void Chat_refuses_and_names_the_member(string body, string param) =>
        Assert.Equal(param, Scan.Refused(body, Dialect.Chat).Param);

    [Theory]
    [InlineData("{\"messages\":[{}]}", "prompt")]
    [InlineData("{\"prompt\":[1,\"a\"]}", "prompt")]
    [InlineData("{\"prompt\":[\"a\",1]}", "prompt")]
    [InlineData("{\"prompt\":[null]}", "prompt")]
    [InlineData("{\"prompt\":{}}", "prompt")]
    [InlineData("{\"prompt\":\"a\",\"logprobs\":129}", "logprobs")]
    [InlineData("{\"prompt\":\"a\",\"logprobs\":true}", "logprobs")]
    public void Completions_refuses_and_names_the_member(string body, string param) =>
        Assert.Equal(param, Scan.Refused(body, Dialect.Completions).Param);

    [Fact]
    public void Too_many_top_logprobs_are_refused_with_the_reason() => Assert.Contains(
        "bring a prefill engine down",
        Scan.Refused("{\"messages\":[{}],\"top_logprobs\":200}", Dialect.Chat).Message, StringComparison.Ordinal);

    [Fact]
    public void Chat_logprobs_is_a_boolean_and_not_counted() =>
        Scan.Ok("{\"messages\":[{}],\"logprobs\":true,\"top_logprobs\":128}", Dialect.Chat);

    [Fact]
    public void Batches_and_fan_outs_have_a_limit()
    {
        var prompts = string.Join(',', Enumerable.Repeat("\"a\"", 1025));
        Assert.Equal("text", Scan.Refused($"{{\"text\":[{prompts}]}}", Dialect.Generate).Param);
        Scan.Ok($"{{\"text\":[{prompts[4..]}]}}", Dialect.Generate);
        Assert.Equal("n", Scan.Refused($"{{\"n\":2,\"prompt\":[{prompts[4..]}]}}", Dialect.Completions).Param);
    }

    [Fact]
    public void Endless_repetition_of_a_member_is_refused()
    {
        var many = string.Concat(Enumerable.Repeat("\"rid\":\"a\",", 600));
        Assert.Equal("rid", Scan.Refused($"{{{many}\"text\":\"a\"}}", Dialect.Generate).Param);
    }

    [Fact]
    public void Facts_of_a_generate_body()
    {
        const string Body = """
            {"text":["a","b"],"model":"m\u00e4","sampling_params":[{"n":3,"max_new_tokens":5},{"n":3,"max_new_tokens":9}],
             "rid":["r0","r\t1"],"return_logprob":[false,true],"stream":true,"session_id":"","user":"u","routing_key":"k"}
            """;
        var shape = Scan.Ok(Body, Dialect.Generate);
        Assert.Equal((3, 9, true, true), (shape.Samples, shape.MaxNewTokens, shape.ReturnLogprob, shape.Stream));
        Assert.True(shape.TryGetModel(Scan.Utf8(Body), out var model));
        Assert.Equal("mä", model);
        Assert.Equal(RidKind.List, shape.RidKind);
        Assert.Equal("r\t1", shape.GetRid(Scan.Utf8(Body), 1));
        Assert.Equal("\"u\"", shape.SessionKey.At(Body));
        Assert.Equal(2, shape.SamplingParamItems.Length);
        Assert.Equal(["\"a\"", "\"b\""], shape.PromptItems.ToArray().Select(item => item.At(Body)));
        Assert.True(shape.TryFindMember(RequestMember.Stream, out var stream));
        Assert.Equal("\"stream\":true", stream.Member.At(Body));
    }

    [Fact]
    public void Facts_of_a_chat_body()
    {
        const string Body = """
            {"messages":[{"role":"user","content":"x"}],"n":4,"max_tokens":0,"max_completion_tokens":7,"rid":"abc",
             "stream_options":{"include_usage":false,"include_usage":true,"continuous_usage_stats":true},"session_params":{"id":1}}
            """;
        var shape = Scan.Ok(Body, Dialect.Chat);
        Assert.Equal((4, 7, true, true), (shape.Samples, shape.MaxNewTokens, shape.IncludeUsage, shape.ContinuousUsage));
        Assert.True(shape.TryGetRid(Scan.Utf8(Body), out var rid));
        Assert.Equal("abc", rid);
        Assert.Equal("{\"id\":1}", shape.SessionKey.At(Body));
    }

    [Theory]
    [InlineData("\"max_tokens\":5,\"max_completion_tokens\":7", 7, 5)]
    [InlineData("\"max_tokens\":5,\"max_completion_tokens\":null", 5, 5)]
    [InlineData("\"max_completion_tokens\":7", 7, -1)]
    [InlineData("\"x\":1", -1, -1)]
    public void The_maximum_of_new_tokens_is_read_as_engines_do(string members, int chat, int completions)
    {
        Assert.Equal(chat, Scan.Ok($"{{{members},\"messages\":[{{}}]}}", Dialect.Chat).MaxNewTokens);
        Assert.Equal(completions, Scan.Ok($"{{{members},\"prompt\":\"a\"}}", Dialect.Completions).MaxNewTokens);
    }

    [Fact]
    public void A_reused_shape_keeps_nothing()
    {
        var shape = new RequestShape();
        var first = Scan.Utf8(
            "{\"text\":[\"a\",\"b\"],\"bootstrap_room\":1,\"rid\":\"x\",\"stream\":true,\"return_logprob\":true}");
        Assert.True(RequestScanner.TryScan(first, Dialect.Generate, ScanLimits.Default, shape, out _));
        Assert.Equal(1, shape.Cuts.Length);
        Assert.True(RequestScanner.TryScan("{\"text\":\"a\"}"u8, Dialect.Generate, ScanLimits.Default, shape, out _));
        Assert.Equal((0, 1, false, false, RidKind.None), (
            shape.Cuts.Length, shape.Items, shape.Stream, shape.ReturnLogprob, shape.RidKind));
    }

    [Fact]
    public void A_second_scan_allocates_nothing()
    {
        var body = Scan.Utf8(
            "{\"text\":[\"a\",\"b\"],\"rid\":\"x\",\"stream\":true,\"sampling_params\":{\"n\":2},\"bootstrap_room\":1}");
        var shape = new RequestShape();
        var good = RequestScanner.TryScan(body, Dialect.Generate, ScanLimits.Default, shape, out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 100; round++)
            good &= RequestScanner.TryScan(body, Dialect.Generate, ScanLimits.Default, shape, out _);

        Assert.True(good);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
