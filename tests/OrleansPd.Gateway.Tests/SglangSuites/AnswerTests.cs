using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>What SGLang's suites send a router and read in its answers.</summary>
public sealed class AnswerTests
{
    [Fact]
    public async Task What_the_router_does_not_know_is_taken_and_passed_on()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(
                """
                {"model":"dummy","text":"Hello","sampling_params":{"max_new_tokens":4},"background":true,"return_input_logprob":false,
                 "lora_path":null,"return_logprob":false,"stream_options":{},"logit_bias":{}}
                """, System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "junk");
        Assert.True((await stage.Client.SendAsync(request, LiveStage.Token)).IsSuccessStatusCode);

        var image = new string('A', 3 * 1024 * 1024);
        var (status, body) = await Suite.PostAsync(stage, "/v1/chat/completions", $$$"""
            {"model":"default","max_tokens":4,"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},
             {"type":"image_url","image_url":{"url":"data:image/png;base64,{{{image}}}"}}]}]}
            """);
        Assert.True(status == 200, $"{status}: {body}");
    }

    [Fact]
    public async Task An_engines_error_reaches_the_client_with_status_and_json()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        foreach (var engine in stage.Prefill.Concat(stage.Decode))
        {
            engine.Faults.Add(new Fault(
                FaultKind.Status)
            { Status = 400, Body = """{"error":{"message":"invalid json_schema"}}""" });
        }
        var (status, body) = await Suite.PostAsync(stage, "/generate", Suite.Generate("x", 4));
        Assert.Equal((400, "invalid json_schema"), (status, (string)body["error"]!["message"]!));
    }

    [Fact]
    public async Task Log_probabilities_have_the_lengths_that_are_asserted()
    {
        const string prompt = "The quick brown fox jumps over the lazy dog";
        await using var stage = await Suite.StartAsync(speed: 0);
        await using var alone = await SimulatedEngine.StartAsync(new SimulatedEngineOptions { Speed = 0 }, ct: LiveStage.Token);
        var body = Suite.Generate(prompt, 6, ""","return_logprob":true,"logprob_start_len":0,"top_logprobs_num":5""");

        var split = (await Suite.GoodAsync(stage, "/generate", body))["meta_info"]!;
        var whole = JsonNode.Parse((await Suite.PastAsync(alone, "/generate", body)).Text)!["meta_info"]!;

        Assert.Equal((int)split["completion_tokens"]!, split["output_token_logprobs"]!.AsArray().Count);
        Assert.Equal((int)split["prompt_tokens"]!, split["input_token_logprobs"]!.AsArray().Count);
        Assert.Equal(whole["output_token_logprobs"]!.ToJsonString(), split["output_token_logprobs"]!.ToJsonString());
        Assert.Equal(whole["input_token_logprobs"]!.ToJsonString(), split["input_token_logprobs"]!.ToJsonString());

        var chat = await Suite.GoodAsync(stage, "/v1/chat/completions", """
            {"model":"default","messages":[{"role":"user","content":"Hi"}],"max_tokens":3,"logprobs":true,"top_logprobs":5}
            """);
        Assert.All(chat["choices"]![0]!["logprobs"]!["content"]!.AsArray(), token =>
            Assert.Equal(5, token!["top_logprobs"]!.AsArray().Count));
    }

    [Fact]
    public async Task The_first_token_is_counted_once()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        var one = await Suite.GoodAsync(
            stage, "/v1/completions", """{"model":"default","prompt":"Hello","max_tokens":1,"ignore_eos":true}""");
        var more = await Suite.GoodAsync(
            stage, "/v1/completions", """{"model":"default","prompt":"Hello","max_tokens":7,"ignore_eos":true}""");
        Assert.Equal((1, 7), ((int)one["usage"]!["completion_tokens"]!, (int)more["usage"]!["completion_tokens"]!));
        // A stop string in the first token ends the answer there.
        var first = (string)one["choices"]![0]!["text"]!;
        var stopped = await Suite.GoodAsync(stage, "/v1/completions", new JsonObject
        {
            ["model"] = "default",
            ["prompt"] = "Hello",
            ["max_tokens"] = 7,
            ["ignore_eos"] = true,
            ["stop"] = first.Trim(),
        }.ToJsonString());
        Assert.Equal((1, "stop"), (
            (int)stopped["usage"]!["completion_tokens"]!, (string)stopped["choices"]![0]!["finish_reason"]!));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(65)]
    public async Task Item_i_of_a_batch_is_the_answer_to_prompt_i(int length)
    {
        await using var stage = await Suite.StartAsync(2, 2, 0, o => o with { DpSize = 2 });
        var prompts = Enumerable.Range(0, length).Select(i => $"Prompt number {i}").ToArray();
        var answers = (await Suite.GoodAsync(stage, "/generate", new JsonObject
        {
            ["text"] = new JsonArray([.. prompts.Select(p => (JsonNode)p)]),
            ["sampling_params"] = new JsonObject { ["max_new_tokens"] = 5, ["temperature"] = 0, ["ignore_eos"] = true },
        }.ToJsonString())).AsArray();
        Assert.Equal(
            prompts.Select(p => ReferenceModel.Complete(p, 5, new Sampling { IgnoreEos = true })), answers.Select(
                a => (string)a!["text"]!));
        Assert.All(answers, a => Assert.NotNull(a!["meta_info"]!["finish_reason"]));
    }

    [Fact]
    public async Task A_list_of_token_lists_with_log_probabilities_is_a_list_of_answers()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        var answers = (await Suite.GoodAsync(stage, "/generate",
            """{"input_ids":[[5,6,7],[8,9]],"return_logprob":true,"sampling_params":{"max_new_tokens":3,"ignore_eos":true}}"""))
                .AsArray();
        Assert.Equal(2, answers.Count);
        Assert.All(answers, a => Assert.Equal(3, a!["meta_info"]!["output_token_logprobs"]!.AsArray().Count));
    }

    [Fact]
    public async Task A_native_stream_has_one_id_one_end_and_texts_that_grow()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        var events = await Suite.StreamAsync(stage, "/generate", Suite.Generate("Count", 12, ""","stream":true,"rid":"mine" """));
        Assert.All(events.Zip(events.Skip(1)), pair =>
            Assert.StartsWith((string)pair.First["text"]!, (string)pair.Second["text"]!));
        Assert.All(events, e => Assert.Equal("mine", (string)e["meta_info"]!["id"]!));
        Assert.Equal([events.Count - 1], events.Index().Where(e => e.Item["meta_info"]!["finish_reason"] is not null)
            .Select(e => e.Index));
        Assert.NotNull(events[0]["meta_info"]!["prompt_tokens"]);
        Assert.NotNull(events[0]["meta_info"]!["cached_tokens"]);
    }

    [Fact]
    public async Task The_answer_tells_the_decode_rank_and_every_other_member()
    {
        await using var stage = await Suite.StartAsync(1, 1, 0, o => o with { DpSize = 4 });
        var ranks = new HashSet<int>();
        for (var i = 0; i < 16; i++)
        {
            var meta = (await Suite.GoodAsync(stage, "/generate", Suite.Generate($"Where? {i}", 2)))["meta_info"]!;
            Assert.NotNull(meta["num_retractions"]);
            Assert.NotNull(meta["cached_tokens"]);
            ranks.Add((int)meta["dp_rank"]!);
        }
        Assert.All(ranks, rank => Assert.InRange(rank, 0, 3));
    }

    [Fact]
    public async Task A_thousand_in_a_row_and_256_at_once_all_come_back()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        for (var i = 0; i < 1000; i++)
            await Suite.GoodAsync(stage, "/generate", Suite.Generate("In a row", 1));
        var all = await Task.WhenAll(
            Enumerable.Range(0, 256).Select(i => Suite.PostAsync(stage, "/generate", Suite.Generate($"At once {i}", 3))));
        Assert.All(all, answer => Assert.Equal(200, answer.Status));
        await Suite.IdleAsync(stage);
    }
}
