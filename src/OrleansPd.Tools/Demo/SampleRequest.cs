using System.Net.Http.Headers;
using OrleansPd.Simulator.Model;
using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Demo;

/// <summary>One streamed chat, shown to the user.</summary>
internal sealed class SampleRequest(HttpClient http, Uri gateway, TimeProvider time)
{
    public const string Prompt = "What does the river say?";

    private const int Tokens = 24;

    /// <summary>The JSON body, also for the curl line.</summary>
    public static string Body(int tokens) => "{\"model\":\"default\",\"stream\":true,\"max_tokens\":" + $"{tokens}"
        + ",\"messages\":[{\"role\":\"user\",\"content\":\"" + Prompt + "\"}]}";

    /// <param name="onText">Called with each part of the answer as it arrives.</param>
    /// <exception cref="CommandFailedException">The answer failed or was incomplete.</exception>
    public async Task<SampleAnswer> SendAsync(Action<string> onText, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v1/chat/completions"))
        {
            Content = new StringContent(Body(Tokens), Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        var sent = time.GetTimestamp();
        using var response = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            throw new CommandFailedException(
                $"the first request failed with status {(int)response.StatusCode}: {ErrorText.Of(body)}");
        }

        var parser = new AnswerParser(ReplayEndpoint.Chat, keepOutput: true);
        TimeSpan? first = null;
        await foreach (var data in EventStream.ReadAsync(stream, cancellationToken))
        {
            if (data.Span.SequenceEqual("[DONE]"u8))
            {
                return new(response.Headers.GetValues("x-request-id").First(), parser.Text, parser.OutputTokens,
                    first ?? time.GetElapsedTime(sent), time.GetElapsedTime(sent),
                    parser.Text == ReferenceModel.CompleteChat([new ChatTurn("user", Prompt)], Tokens));
            }

            var shown = parser.Text.Length;
            var step = Take(parser, data);
            if (step.Failure is { } failure)
                throw new CommandFailedException($"the first request failed: {failure}, {step.Detail}");

            if (step.Tokens == 0)
                continue;

            first ??= time.GetElapsedTime(sent);
            onText(parser.Text[shown..]);
        }

        throw new CommandFailedException($"the first request failed: {FailureKind.CutStream}");
    }

    private static AnswerStep Take(AnswerParser parser, ReadOnlyMemory<byte> data)
    {
        try
        {
            return parser.Take(data);
        }
        catch (JsonException error)
        {
            return new(0, FailureKind.BadAnswer, error.Message);
        }
    }
}

/// <summary>The answer to the sample request.</summary>
/// <param name="Same">Whether a single engine would have written the same text.</param>
internal sealed record SampleAnswer(string Id, string Text, int Tokens, TimeSpan FirstOutput, TimeSpan Total, bool Same);
