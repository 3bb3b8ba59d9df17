using System.Text.Json;
using OrleansPd.Core.Fleet;
using OrleansPd.Engines.Upstream;

namespace OrleansPd.Engines.Dispatch;

/// <summary>
/// Tells an engine to drop requests at once (<c>POST /abort_request</c>). Closing the connection does it too, but seconds later.
/// What an engine did not take, or took too early, is said again a little later, as long as the id is one that nobody can use anew.
/// </summary>
public sealed class EngineAborter(IUpstream upstream, DispatchOptions options, TimeProvider clock)
{
    private long _sent;
    private long _failed;
    private int _waiting;

    /// <summary>Abort calls made.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Abort calls that the engine did not take within the time limit.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    /// <summary>Aborts that will be said, or said again, later.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Aborts each id on the engine. Never throws; ends when the first round of calls has ended or run out of time.</summary>
    /// <param name="mayRepeat">The ids are ours and will never be used again: repeating cannot hit another request.</param>
    /// <param name="after">When the first round is sent; nobody waits for a round that is not sent at once.</param>
    public Task AbortAsync(WorkerSnapshot worker, IReadOnlyList<string> rids, bool mayRepeat, TimeSpan after = default)
    {
        ArgumentNullException.ThrowIfNull(worker);
        ArgumentNullException.ThrowIfNull(rids);
        var first = after > TimeSpan.Zero ? Task.CompletedTask : AbortAllAsync(worker, rids);
        var repeats = mayRepeat ? options.AbortAgainAfter : [];
        IReadOnlyList<TimeSpan> later = after > TimeSpan.Zero ? [after, .. repeats.Select(again => after + again)] : repeats;
        if (later.Count > 0)
        {
            if (Interlocked.Increment(ref _waiting) <= options.MaxAbortsToRepeat)
            {
                _ = AbortLaterAsync(worker, rids, later);
            }
            else
            {
                Interlocked.Decrement(ref _waiting);
            }
        }
        return first;
    }

    private async Task AbortLaterAsync(WorkerSnapshot worker, IReadOnlyList<string> rids, IReadOnlyList<TimeSpan> times)
    {
        var waited = TimeSpan.Zero;
        foreach (var at in times)
        {
            await Task.Delay(at - waited, clock).ConfigureAwait(false);
            waited = at;
            await AbortAllAsync(worker, rids).ConfigureAwait(false);
        }
        Interlocked.Decrement(ref _waiting);
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
            var request = new UpstreamRequest
            {
                Engine = worker.Url,
                Path = "/abort_request",
                Body = new UpstreamBody(JsonSerializer.SerializeToUtf8Bytes(new { rid, abort_all = false })),
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
        catch (Exception e) when (e is UpstreamException or OperationCanceledException or ObjectDisposedException)
        {
            Interlocked.Increment(ref _failed);
        }
    }
}
