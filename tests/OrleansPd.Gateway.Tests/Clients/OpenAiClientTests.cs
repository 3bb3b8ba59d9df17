using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;
using OrleansPd.Core.Requests;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Clients;

/// <summary>The official OpenAI client for .NET against a gateway and a pair of engines.</summary>
public class OpenAiClientTests
{
    private static readonly ChatMessage[] Messages =
        [new SystemChatMessage("Be brief."), new UserChatMessage("Tell me of the river")];

    [Fact]
    public async Task Chat_whole_and_streamed_give_the_same_text()
    {
        await using var stage = await Stage.StartAsync(2, 2, 2, 2);
        var chat = Client(stage).GetChatClient("default");
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 16 };

        ChatCompletion whole = await chat.CompleteChatAsync(Messages, options, Stage.Token);
        var streamed = new System.Text.StringBuilder();
        ChatTokenUsage? usage = null;
        await foreach (var update in chat.CompleteChatStreamingAsync(Messages, options, Stage.Token))
        {
            streamed.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            usage = update.Usage ?? usage;
        }

        Assert.NotEmpty(whole.Content[0].Text);
        Assert.Equal(whole.Content[0].Text, streamed.ToString());
        Assert.Equal(whole.Usage.OutputTokenCount, usage!.OutputTokenCount);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task Log_probabilities_and_finish_reason_arrive()
    {
        await using var stage = await Stage.StartAsync();
        var options = new ChatCompletionOptions
        {
            MaxOutputTokenCount = 4,
            IncludeLogProbabilities = true,
            TopLogProbabilityCount = 3
        };

        ChatCompletion answer = await Client(stage).GetChatClient("default").CompleteChatAsync(Messages, options, Stage.Token);

        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        Assert.Equal(4, answer.ContentTokenLogProbabilities.Count);
        Assert.All(answer.ContentTokenLogProbabilities, token => Assert.Equal(3, token.TopLogProbabilities.Count));
    }

    [Fact]
    public async Task Models_are_listed()
    {
        await using var stage = await Stage.StartAsync();

        OpenAIModelCollection models = await Client(stage).GetOpenAIModelClient().GetModelsAsync(Stage.Token);

        Assert.Equal("sim", Assert.Single(models).Id);
    }

    /// <summary>The package has no typed client for <c>/v1/completions</c>; its pipeline sends what a typed one would.</summary>
    [Fact]
    public async Task Completions_go_through_the_clients_pipeline()
    {
        await using var stage = await Stage.StartAsync();
        var client = Client(stage);
        using var message = client.Pipeline.CreateMessage();
        message.Request.Method = "POST";
        message.Request.Uri = new Uri(stage.Gateway.Url, "/v1/completions");
        message.Request.Headers.Set("Content-Type", "application/json");
        message.Request.Content = BinaryContent.Create(
            BinaryData.FromString("""{"model":"default","prompt":"Once upon a time","max_tokens":9}"""));

        await client.Pipeline.SendAsync(message);

        Assert.Equal(200, message.Response!.Status);
        var answer = JsonNode.Parse(message.Response.Content.ToString())!;
        Assert.Equal(ReferenceModel.Complete("Once upon a time", 9), (string)answer["choices"]![0]!["text"]!);
    }

    [Fact]
    public async Task Errors_arrive_as_the_clients_own_exceptions_with_status_and_words()
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { StrictModel = true });

        var error = await Assert.ThrowsAsync<ClientResultException>(
            () => Client(stage).GetChatClient("nobody").CompleteChatAsync(Messages, cancellationToken: Stage.Token));

        Assert.Equal(404, error.Status);
        Assert.Contains("'nobody' is not served", error.Message);
    }

    [Fact]
    public async Task Tools_and_response_format_reach_both_engines_as_the_client_wrote_them_and_tool_calls_come_back()
    {
        await using var spy = await Spy.StartAsync();
        spy.Answer = """
            {"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant",
             "content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}}]}}]}
            """;
        await using var gateway = await spy.GatewayAsync("h");
        var schema = BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}""");
        var options = new ChatCompletionOptions
        {
            Tools = { ChatTool.CreateFunctionTool("weather", "Tells the weather", schema) },
            ToolChoice = ChatToolChoice.CreateFunctionChoice("weather"),
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("answer", schema, jsonSchemaIsStrict: true),
            StopSequences = { "END" },
        };

        ChatCompletion answer = await Client(gateway).GetChatClient("m").CompleteChatAsync(Messages, options, Stage.Token);

        Assert.Equal(ChatFinishReason.ToolCalls, answer.FinishReason);
        Assert.Equal("Oslo", (string)JsonNode.Parse(answer.ToolCalls.Single().FunctionArguments)!["city"]!);
        await Stage.UntilAsync(() => spy.Seen.Count == 2);
        Assert.All(spy.Seen, seen =>
        {
            Assert.Equal("weather", (string)seen.Json["tools"]![0]!["function"]!["name"]!);
            Assert.Equal("weather", (string)seen.Json["tool_choice"]!["function"]!["name"]!);
            Assert.Equal("json_schema", (string)seen.Json["response_format"]!["type"]!);
            Assert.Equal("city", (string)seen.Json["response_format"]!["json_schema"]!["schema"]!["required"]![0]!);
            Assert.Equal("END", (string)seen.Json["stop"]![0]!);
        });
    }

    [Fact]
    public async Task Samples_arrive_as_choices_in_order_and_usage_is_their_sum()
    {
        await using var stage = await Stage.StartAsync();
        var answer = JsonNode.Parse((await RawAsync(stage, "/v1/chat/completions", """
            {"model":"default","n":3,"max_tokens":5,"ignore_eos":true,"temperature":1,"seed":7,"messages":[{"role":"user","content":"Hi"}]}
            """)).Content.ToString())!;
        Assert.Equal([0, 1, 2], answer["choices"]!.AsArray().Select(choice => (int)choice!["index"]!));
        Assert.Equal(15, (int)answer["usage"]!["completion_tokens"]!);
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task A_batch_of_prompts_is_a_list_of_choices()
    {
        await using var stage = await Stage.StartAsync();
        var answer = JsonNode.Parse(
            (await RawAsync(stage, "/v1/completions",
                """{"model":"default","prompt":["Once","Twice"],"max_tokens":4}""")).Content.ToString())!;
        Assert.Equal(
            [ReferenceModel.Complete("Once", 4), ReferenceModel.Complete("Twice", 4)], answer["choices"]!.AsArray()
                .Select(c => (string)c!["text"]!));
    }

    [Fact]
    public async Task A_stop_sequence_ends_the_answer_before_it()
    {
        await using var stage = await Stage.StartAsync();
        var chat = Client(stage).GetChatClient("default");
        ChatCompletion whole = await chat.CompleteChatAsync(
            Messages, new ChatCompletionOptions { MaxOutputTokenCount = 12 }, Stage.Token);
        var words = whole.Content[0].Text.Trim().Split(' ');
        Assert.True(words.Length > 3);

        ChatCompletion stopped = await chat.CompleteChatAsync(
            Messages, new ChatCompletionOptions { MaxOutputTokenCount = 12, StopSequences = { words[2] } }, Stage.Token);

        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
        Assert.StartsWith(stopped.Content[0].Text.Trim(), whole.Content[0].Text.Trim());
        Assert.True(stopped.Content[0].Text.Length < whole.Content[0].Text.Length);
    }

    [Theory]
    [InlineData(RefusalReason.RateLimited, 429)]
    [InlineData(RefusalReason.QueueFull, 503)]
    [InlineData(RefusalReason.NoPrefill, 503)]
    public async Task A_refusal_is_the_clients_exception_with_status_words_and_when_to_come_again(
        RefusalReason reason, int status)
    {
        await using var stage = await Stage.StartAsync();
        stage.ControlPlane.Refuse = new Refusal(reason, "Come later.", TimeSpan.FromSeconds(2));

        var error = await Assert.ThrowsAsync<ClientResultException>(
            () => Client(stage).GetChatClient("default").CompleteChatAsync(Messages, cancellationToken: Stage.Token));

        Assert.Equal(status, error.Status);
        Assert.Contains("Come later.", error.Message);
        Assert.True(error.GetRawResponse()!.Headers.TryGetValue("Retry-After", out var wait) && wait == "2");
    }

    [Fact]
    public async Task Embeddings_come_from_a_regular_engine_and_are_a_clear_400_without_one()
    {
        await using var with = await Stage.StartAsync(regular: 2);
        OpenAI.Embeddings.OpenAIEmbeddingCollection vectors =
            await Client(with).GetEmbeddingClient("sim").GenerateEmbeddingsAsync(["one", "two"], cancellationToken: Stage.Token);
        Assert.Equal(2, vectors.Count);
        Assert.Equal(8, vectors[0].ToFloats().Length);

        await using var without = await Stage.StartAsync();
        var error = await Assert.ThrowsAsync<ClientResultException>(
            () => Client(without).GetEmbeddingClient("sim").GenerateEmbeddingAsync("x", cancellationToken: Stage.Token));
        Assert.Equal(400, error.Status);
        Assert.Contains("needs a regular worker", error.Message);
    }

    private static Task<PipelineResponse> RawAsync(Stage stage, string path, string body) =>
        RawAsync(Client(stage), new Uri(stage.Gateway.Url, path), body);

    private static async Task<PipelineResponse> RawAsync(OpenAIClient client, Uri url, string body)
    {
        var message = client.Pipeline.CreateMessage();
        message.Request.Method = "POST";
        message.Request.Uri = url;
        message.Request.Headers.Set("Content-Type", "application/json");
        message.Request.Content = BinaryContent.Create(BinaryData.FromString(body));
        await client.Pipeline.SendAsync(message);
        Assert.Equal(200, message.Response!.Status);
        return message.Response;
    }

    private static OpenAIClient Client(Stage stage) => Client(stage.Gateway);

    private static OpenAIClient Client(GatewayServer gateway) => new(
        new ApiKeyCredential("not-checked"),
        new OpenAIClientOptions { Endpoint = new Uri(gateway.Url, "/v1"), RetryPolicy = new ClientRetryPolicy(0) });
}
