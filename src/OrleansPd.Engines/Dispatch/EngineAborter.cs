using System.Text.Json;
using OrleansPd.Core.Fleet;
using OrleansPd.Engines.Upstream;

namespace OrleansPd.Engines.Dispatch;

/// <summary>Tells an engine to drop requests at once (<c>POST /abort_request</c>). Closing the connection does it too, but seconds later.</summary>
public sealed class EngineAborter(IUpstream upstream, DispatchOptions options, TimeProvider clock)
{
    private long _sent;
    private long _failed;

    /// <summary>Abort calls made.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Abort calls that the engine did not take within the time limit.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    /// <summary>Aborts each id on the engine. Never throws; ends when all calls have ended or run out of time.</summary>
    public Task AbortAsync(WorkerSnapshot worker, IReadOnlyList<string> rids)
    {
        ArgumentNullException.ThrowIfNull(worker);
        return rids.Count == 1 ? AbortOneAsync(worker, rids[0]) : AbortAllAsync(worker, rids);
    }

    private async Task AbortAllAsync(WorkerSnapshot worker, IReadOnlyList<string> rids)
    {
        // One after the other: a batch is one request to its engine, it needs no burst of connections to end.
        foreach (var rid in rids)
        {
            await AbortOneAsync(worker, rid).ConfigureAwait(false);
        }
    }

    private async Task AbortOneAsync(WorkerSnapshot worker, string rid)
    {
        Interlocked.Increment(ref _sent);
        using var limit = new CancellationTokenSource(options.AbortTimeout, clock);
        try
        {
            var body = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object> { ["rid"] = rid, ["abort_all"] = false });
            var request = new UpstreamRequest
            {
                Engine = worker.Url,
                Path = "/abort_request",
                Body = new UpstreamBody(body),
                Authorization = worker.ApiKey is { } key ? "Bearer " + key : null,
            };
            await using var response = await upstream.SendAsync(request, limit.Token).ConfigureAwait(false);
            if (response.Status >= 400)
            {
                Interlocked.Increment(ref _failed);
            }
            // The body is empty; reading its end lets the connection be used again.
            await response.ReadAsync(new byte[1], limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is UpstreamException or OperationCanceledException)
        {
            Interlocked.Increment(ref _failed);
        }
    }
}
