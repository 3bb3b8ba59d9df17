using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Text.Json;
using OrleansPd.Core;

namespace OrleansPd.Engines.Probes;

/// <summary>HTTP towards engines for probes: apart from the traffic's connections, so that neither waits for the other.</summary>
internal sealed class ProbeClient : IDisposable
{
    private const int MaxAnswer = 16 * 1024 * 1024;
    private readonly HttpClient _http;

    public ProbeClient(SslClientAuthenticationOptions? tls = null)
    {
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(2),
            // uvicorn closes idle connections after 5 s; one that it closes while we send would look like a dead engine.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(3),
            SslOptions = tls ?? new(),
            UseProxy = false,
            UseCookies = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxAnswer,
        };
    }

    public void Dispose() => _http.Dispose();

    public async Task<ProbeReply> SendAsync(
        HttpMethod method, Uri url, string? apiKey, byte[]? body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, url);
        if (apiKey is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        }
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        }
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            using var response = await _http.SendAsync(request, limit.Token).ConfigureAwait(false);
            var bytes = await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
            return new ProbeReply(response.StatusCode, bytes, ProbeAnswer.Good);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ProbeReply.Failed(new($"{url.PathAndQuery} did not answer in {timeout.TotalSeconds:0.#} s"));
        }
        catch (HttpRequestException e)
        {
            var refused = e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused };
            return ProbeReply.Failed(new(refused ? "connection refused" : $"{url.PathAndQuery}: {e.Message}", refused));
        }
        catch (IOException e)
        {
            return ProbeReply.Failed(new($"{url.PathAndQuery}: {e.Message}"));
        }
    }

    public Task<ProbeReply> GetAsync(WorkerSpec worker, string path, TimeSpan timeout, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, new Uri(worker.Url, path), worker.ApiKey, null, timeout, cancellationToken);
}

/// <summary>An answer, whatever its status, or why there is none (then the status is 0).</summary>
internal readonly record struct ProbeReply(HttpStatusCode Status, byte[] Body, ProbeAnswer Answer)
{
    public static ProbeReply Failed(ProbeAnswer answer) => new(0, [], answer);

    public bool IsOk => Status == HttpStatusCode.OK;

    /// <summary>The body as a JSON object; null when it is none.</summary>
    public JsonElement? Json() => IsOk && AnyJson() is { ValueKind: JsonValueKind.Object } root ? root : null;

    /// <summary>The body as JSON, whatever the status and the kind; null when it is none.</summary>
    public JsonElement? AnyJson()
    {
        try
        {
            using var document = JsonDocument.Parse(Body);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
