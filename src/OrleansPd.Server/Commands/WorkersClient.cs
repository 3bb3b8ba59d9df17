using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace OrleansPd.Server.Commands;

/// <summary>Calls a gateway's management API.</summary>
internal sealed class WorkersClient : IDisposable
{
    // A role switch answers when requests in flight have ended.
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(10);
    private readonly HttpClient _http;

    public WorkersClient(Uri gateway, string? adminKey)
    {
        _http = new HttpClient { BaseAddress = gateway, Timeout = Timeout };
        if (string.IsNullOrEmpty(adminKey))
            return;
        if (adminKey.AsSpan().ContainsAnyExceptInRange('!', '~'))
            throw new BadInputException("--admin-api-key: a key must be printable ASCII without spaces.");
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", adminKey);
    }

    public static string PathOf(string worker) => "/workers/" + Uri.EscapeDataString(worker);

    public Task<JsonNode> ListAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, "/workers", null, cancellationToken);

    /// <exception cref="CommandFailedException">The gateway did not answer, or refused; the message says which.</exception>
    public async Task<JsonNode> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            var answer = Parse(await response.Content.ReadAsStringAsync(cancellationToken));
            if (response.IsSuccessStatusCode && answer is not null)
                return answer;
            throw new CommandFailedException((answer?["error"] as JsonValue)?.ToString()
                ?? $"{_http.BaseAddress} answered {(int)response.StatusCode}; is it an OrleansPd gateway?");
        }
        catch (HttpRequestException error)
        {
            throw new CommandFailedException($"no gateway answers at {_http.BaseAddress}: {error.Message}");
        }
        catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandFailedException($"{_http.BaseAddress} did not answer in {Timeout.TotalMinutes:0} minutes.");
        }
    }

    public void Dispose() => _http.Dispose();

    private static JsonObject? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
