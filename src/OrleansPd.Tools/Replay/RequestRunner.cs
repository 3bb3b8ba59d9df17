using System.Net.Http.Headers;
using System.Net.Sockets;

namespace OrleansPd.Tools.Replay;

/// <summary>Sends one request and reads its answer to the end.</summary>
internal sealed class RequestRunner(HttpMessageInvoker http, ReplayOptions options, ReplayMeter meter, TimeProvider time)
{
    private const int MaxErrorBody = 64 * 1024;

    private readonly Uri _target = new(options.Url, RequestBody.Path(options.Endpoint));

    public async Task<ReplayedRequest> RunAsync(int index, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var attempt = new Attempt(time.GetTimestamp(), new(options.Endpoint, options.Verifier is not null));
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, _target) { Content = new ReadOnlyMemoryContent(body) };
            message.Content.Headers.ContentType = new("application/json");
            if (options.ApiKey is { } key)
                message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);

            using var response = await http.SendAsync(message, both.Token);
            if (options.Verifier is not null)
            {
                attempt.Headers = response.Headers.ToDictionary(
                    header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
            }

            await ReadAsync(attempt, response, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            attempt.Fail(FailureKind.Timeout, $"after {options.Timeout.TotalSeconds:0.#} s");
        }
        catch (HttpRequestException error) when (error.HttpRequestError
            is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
        {
            attempt.Fail(FailureKind.Connect, error.Message);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or SocketException)
        {
            attempt.Fail(FailureKind.Broken, error.Message);
        }
        catch (Exception error) when (
            error is JsonException or InvalidDataException or InvalidOperationException or FormatException)
        {
            attempt.Fail(FailureKind.BadAnswer, error.Message);
        }

        return Result(attempt, index, body);
    }

    private async Task ReadAsync(Attempt attempt, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            var start = await ReadSomeAsync(stream, MaxErrorBody, cancellationToken);
            attempt.Fail($"http {(int)response.StatusCode}", ErrorText.Of(start));
        }
        else if (response.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            await ReadEventsAsync(attempt, stream, cancellationToken);
        }
        else
        {
            using var whole = new MemoryStream();
            await stream.CopyToAsync(whole, cancellationToken);
            var step = attempt.Parser.Take(whole.GetBuffer().AsMemory(0, (int)whole.Length));
            if (step.Failure is { } failure)
                attempt.Fail(failure, step.Detail);
        }

        attempt.End = time.GetTimestamp();
        if (attempt.Parser.OutputTokens == 0)
            attempt.Fail(FailureKind.Empty, "the answer holds no token");
    }

    private async Task ReadEventsAsync(Attempt attempt, Stream stream, CancellationToken cancellationToken)
    {
        await foreach (var data in EventStream.ReadAsync(stream, cancellationToken))
        {
            // Reading continues after an error event: the stream must still end with [DONE].
            if (data.Span.SequenceEqual("[DONE]"u8))
                return;

            var step = attempt.Parser.Take(data);
            if (step.Failure is { } failure)
                attempt.Fail(failure, step.Detail);

            if (step.Tokens == 0)
                continue;

            var now = time.GetTimestamp();
            if (attempt.LastOutput is { } last)
                meter.OnOutput(time.GetElapsedTime(last, now), step.Tokens);

            attempt.FirstOutput ??= now;
            attempt.LastOutput = now;
            attempt.Counted += step.Tokens;
            meter.OnTokens(step.Tokens);
        }

        attempt.Fail(FailureKind.CutStream, "the connection ended first");
    }

    private static async Task<ReadOnlyMemory<byte>> ReadSomeAsync(Stream stream, int limit, CancellationToken cancellationToken)
    {
        var buffer = new byte[limit];
        return buffer.AsMemory(0, await stream.ReadAtLeastAsync(buffer, limit, false, cancellationToken));
    }

    private ReplayedRequest Result(Attempt attempt, int index, ReadOnlyMemory<byte> body)
    {
        // The engine's final count corrects the count of events; an event may hold several tokens.
        if (attempt.Failure is null)
            meter.OnTokens(attempt.Parser.OutputTokens - attempt.Counted);

        var end = attempt.End ?? time.GetTimestamp();
        return new()
        {
            Index = index,
            Body = body,
            FirstOutput = attempt.FirstOutput is { } first ? time.GetElapsedTime(attempt.Start, first) : null,
            Total = time.GetElapsedTime(attempt.Start, end),
            InputTokens = attempt.Parser.PromptTokens ?? 0,
            OutputTokens = attempt.Parser.OutputTokens,
            Text = attempt.Parser.Text,
            OutputIds = attempt.Parser.OutputIds,
            Headers = attempt.Headers,
            Failure = attempt.Failure,
            Detail = attempt.Detail,
        };
    }

    private sealed class Attempt(long start, AnswerParser parser)
    {
        public long Start { get; } = start;

        public AnswerParser Parser { get; } = parser;

        public IReadOnlyDictionary<string, string> Headers { get; set; } = new Dictionary<string, string>();

        public long? FirstOutput { get; set; }

        public long? LastOutput { get; set; }

        public long? End { get; set; }

        public int Counted { get; set; }

        public string? Failure { get; private set; }

        public string? Detail { get; private set; }

        /// <summary>The first failure is the cause; later ones follow from it.</summary>
        public void Fail(string failure, string? detail)
        {
            if (Failure is not null)
                return;

            (Failure, Detail) = (failure, detail);
        }
    }
}
