using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Tests.Chaos;

/// <summary>
/// Sends one request after the other and judges each answer: a complete one equals the reference model's, a partial one is the
/// beginning of it, and one that failed says so in a way that clients can read.
/// </summary>
internal sealed class SoakClient(Uri gateway, SoakReport report, TimeSpan patience) : IDisposable
{
    private readonly HttpClient _http = new(
        new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30), UseProxy = false })
    {
        BaseAddress = gateway,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public void Dispose() => _http.Dispose();

    /// <summary>Runs the request to its one end, which is told to the report and returned.</summary>
    public async Task<string> RunAsync(SoakRequest request, string id)
    {
        using var leave = new CancellationTokenSource();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(leave.Token);
        limit.CancelAfter(patience);
        if (request.LeaveAfter is { } after)
            leave.CancelAfter(after);
        string outcome;
        try
        {
            outcome = await AskAsync(request, id, leave, limit.Token);
        }
        catch (Exception e) when (
            e is OperationCanceledException or HttpRequestException or IOException && leave.IsCancellationRequested)
        {
            outcome = "left";
        }
        catch (OperationCanceledException)
        {
            report.Violation($"{id}: no end within {patience}: {request.Path} {request.Body}");
            outcome = "hang";
        }
        catch (Exception e)
        {
            report.Violation($"{id}: {e.GetType().Name} {e.Message} {request.Path} {request.Body}");
            outcome = "broken";
        }
        report.Ended(outcome);
        return outcome;
    }

    private async Task<string> AskAsync(SoakRequest request, string id, CancellationTokenSource leave, CancellationToken token)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, request.Path)
        {
            Content = new StringContent(request.Body, Encoding.UTF8, "application/json"),
        };
        message.Headers.Add("x-request-id", id);
        using var response = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, token);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            var text = await response.Content.ReadAsStringAsync(token);
            if (!IsError(text) || response.Content.Headers.ContentType?.MediaType != "application/json"
                || (int)response.StatusCode < 500)
            {
                report.Violation($"{id}: status {(int)response.StatusCode} with {text}: {request.Path} {request.Body}");
            }
            return response.Headers.TryGetValues("x-router-error-code", out var code) ? code.Single()
                : $"engine's {(int)response.StatusCode}";
        }
        return request.Stream
            ? await StreamAsync(request, id, response, leave, token)
            : Whole(request, id, await response.Content.ReadAsStringAsync(token));
    }

    private string Whole(SoakRequest request, string id, string text)
    {
        var root = JsonNode.Parse(text)!;
        var parts = !request.IsGenerate ? [.. root["choices"]!.AsArray()] : request.IsList ? root.AsArray().ToArray() : [root];
        var texts = parts.Select(part =>
            (string?)(request.IsGenerate ? part!["text"] : request.IsChat ? part!["message"]!["content"] : part!["text"]));
        if (parts.Any(IsAborted))
        {
            // An engine says in its answer that it was told to stop, as it does when a retracted prompt meets the abort of its
            // first prefill leg; what there is must be the beginning all the same.
            foreach (var (said, index) in texts.Select((t, i) => (t ?? "", i)))
                CheckPrefix(request, id, said, index);
            return "told in the answer";
        }
        if (!texts.SequenceEqual(request.Expected))
            report.Violation($"{id}: wrong answer to {request.Path} {request.Body}: {text}");
        foreach (var part in parts)
            CheckLogprobs(request, id, part!);
        return "ok";
    }

    private async Task<string> StreamAsync(
        SoakRequest request, string id, HttpResponseMessage response, CancellationTokenSource leave, CancellationToken token)
    {
        var texts = new string[request.Expected.Length];
        Array.Fill(texts, "");
        var finished = new bool[texts.Length];
        var failed = false;
        var events = 0;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(token), Encoding.UTF8);
        while (await reader.ReadLineAsync(token) is { } line)
        {
            if (line.Length == 0)
                continue;
            if (!line.StartsWith("data: ", StringComparison.Ordinal))
            {
                report.Violation($"{id}: a line that is no event: {line}");
                continue;
            }
            if (line == "data: [DONE]")
            {
                if (await reader.ReadLineAsync(token) is not "" || await reader.ReadLineAsync(token) is not null)
                    report.Violation($"{id}: more after [DONE]");
                if (!failed && (!texts.SequenceEqual(request.Expected) || finished.Contains(false)))
                    report.Violation($"{id}: wrong stream for {request.Path} {request.Body}: {string.Join('|', texts)}; {line}");
                return failed ? "told in the stream" : "ok";
            }
            failed |= Take(request, id, JsonNode.Parse(line["data: ".Length..])!, texts, finished);
            if (++events >= request.LeaveAfterEvents)
                await leave.CancelAsync();
        }
        report.Violation($"{id}: the stream ended without [DONE]: {request.Path} {request.Body}");
        return "cut";
    }

    /// <returns>True when the event tells of a failure.</returns>
    private bool Take(SoakRequest request, string id, JsonNode e, string[] texts, bool[] finished)
    {
        if (e["error"] is not null || Abort(e) is not null)
            return true;
        if (request.IsGenerate)
        {
            var index = (int?)e["index"] ?? 0;
            texts[index] = (string)e["text"]!;
            finished[index] |= e["meta_info"]!["finish_reason"] is not null;
            CheckLogprobs(request, id, e);
            CheckPrefix(request, id, texts[index], index);
            return false;
        }
        foreach (var choice in e["choices"]!.AsArray())
        {
            var index = (int)choice!["index"]!;
            texts[index] += (string?)(request.IsChat ? choice["delta"]!["content"] : choice["text"]);
            finished[index] |= choice["finish_reason"] is not null;
            CheckPrefix(request, id, texts[index], index);
        }
        return false;
    }

    private static bool IsAborted(JsonNode? part) =>
        (part!["meta_info"]?["finish_reason"] is JsonObject reason && (string?)reason["type"] == "abort")
        || (part["finish_reason"] is JsonValue word && (string?)word == "abort");

    private static string? Abort(JsonNode e) =>
        e["meta_info"]?["finish_reason"] is { } reason && (string?)reason["type"] == "abort" ? (string?)reason["message"] ?? ""
            : null;

    private void CheckPrefix(SoakRequest request, string id, string text, int index)
    {
        if (!request.Expected[index].StartsWith(text, StringComparison.Ordinal))
            report.Violation($"{id}: wrong text at {index} of {request.Path} {request.Body}: {text}");
    }

    private void CheckLogprobs(SoakRequest request, string id, JsonNode part)
    {
        if (request.WantsInputLogprobs
            && (part["meta_info"]!["input_token_logprobs"] as JsonArray)?.Count != (int)part["meta_info"]!["prompt_tokens"]!)
        {
            report.Violation($"{id}: the input log probabilities are not whole: {part.ToJsonString()}");
        }
    }

    private static bool IsError(string text)
    {
        try
        {
            var root = JsonNode.Parse(text);
            return root is JsonObject && ((string?)(root["error"]?["message"] ?? root["message"]))?.Length > 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
