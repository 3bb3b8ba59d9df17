using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests;

/// <summary>The official OpenAI client for .NET against a gateway and a pair of engines.</summary>
public class OpenAiClientTests
{
    private static readonly ChatMessage[] Messages = [new SystemChatMessage("Be brief."), new UserChatMessage("Tell me of the river")];

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
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 4, IncludeLogProbabilities = true, TopLogProbabilityCount = 3 };

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
        message.Request.Content = BinaryContent.Create(BinaryData.FromString("""{"model":"default","prompt":"Once upon a time","max_tokens":9}"""));

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

    private static OpenAIClient Client(Stage stage) => new(
        new ApiKeyCredential("not-checked"),
        new OpenAIClientOptions { Endpoint = new Uri(stage.Gateway.Url, "/v1"), RetryPolicy = new ClientRetryPolicy(0) });
}
