using System.Net.Sockets;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Engines.Probes;

/// <summary>
/// Calls an engine and reads its whole answer, with one time limit for both: probes, control calls and queries of engines go
/// through it. Never throws for a failure of the engine; only for the caller's cancellation.
/// </summary>
/// <param name="upstream">The connections to engines; owned by the caller.</param>
/// <param name="clock">The clock of the time limits.</param>
/// <param name="connectTimeout">Limit for making a connection; null = that of <paramref name="upstream"/>.</param>
internal sealed class EngineCaller(IUpstream upstream, TimeProvider clock, TimeSpan? connectTimeout = null)
{
    /// <summary>Maximum size of an answer, in bytes. A larger one is a failure.</summary>
    private const int MaxAnswer = 16 * 1024 * 1024;

    public Task<EngineCallReply> GetAsync(
        Uri engine, string path, string? apiKey, TimeSpan timeout, CancellationToken cancellationToken) =>
        SendAsync("GET", engine, path, apiKey, default, timeout, cancellationToken);

    /// <param name="body">JSON; empty = none.</param>
    public async Task<EngineCallReply> SendAsync(
        string method, Uri engine, string path, string? apiKey, ReadOnlyMemory<byte> body, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest
        {
            Engine = engine,
            Path = path,
            Method = method,
            ConnectTimeout = connectTimeout,
            Body = new UpstreamBody(body),
            ApiKey = apiKey,
        };
        using var timer = new CancellationTokenSource(timeout, clock);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        try
        {
            try
            {
                return await ExchangeAsync(request, limit.Token).ConfigureAwait(false);
            }
            catch (UpstreamException e) when (e.WasStale && method == "GET")
            {
                // The connection was closed for idleness, and a query may be sent twice.
                return await ExchangeAsync(request, limit.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return EngineCallReply.Failed($"no answer in {timeout.TotalSeconds:0.#} s");
        }
        catch (UpstreamException e)
        {
            return IsRefusal(e) ? EngineCallReply.Refused : EngineCallReply.Failed(e.Message);
        }
    }

    private static bool IsRefusal(Exception? e) =>
        e is not null && (e is SocketException { SocketErrorCode: SocketError.ConnectionRefused } || IsRefusal(e.InnerException));

    private async Task<EngineCallReply> ExchangeAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        await using var response = await upstream.SendAsync(request, cancellationToken).ConfigureAwait(false);
        var reply = await EngineReply.ReadAsync(response, MaxAnswer, cancellationToken).ConfigureAwait(false);
        return new EngineCallReply(reply.Status, reply.Body, null);
    }
}
