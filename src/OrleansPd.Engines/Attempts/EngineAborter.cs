using System.Text.Json;
using OrleansPd.Core.Workers;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Tells an engine to drop requests at once (<c>POST /abort_request</c>). Closing the connection does it too, but seconds later.
/// What came too early is said again a little later, and what an engine did not take until it does, as long as the id is one that
/// nobody can use anew.
/// </summary>
public sealed class EngineAborter(IUpstream upstream, DispatchOptions options, TimeProvider clock)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private long _sent;
    private long _failed;
    private int _waiting;

    /// <summary>Abort calls made.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Abort calls that the engine did not take within the time limit.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    /// <summary>Aborts that will be said, or said again, later.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>
    /// Aborts each id on the engine. Never throws; ends when the first round of calls has ended or run out of time.
    /// </summary>
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

    /// <summary>
    /// The repeats that are due in any case, and then those that are owed because the engine has not taken the last one.
    /// </summary>
    private async Task AbortLaterAsync(WorkerSnapshot worker, IReadOnlyList<string> rids, IReadOnlyList<TimeSpan> times)
    {
        var started = clock.GetTimestamp();
        var taken = false;
        foreach (var at in times)
        {
            var left = at - clock.GetElapsedTime(started);
            await Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, clock).ConfigureAwait(false);
            taken = await AbortAllAsync(worker, rids).ConfigureAwait(false);
        }
        for (var pause = FirstPause; !taken && clock.GetElapsedTime(started) < options.AbortGiveUpAfter; pause *= 2)
        {
            await Task.Delay(pause < LongestPause ? pause : LongestPause, clock).ConfigureAwait(false);
            taken = await AbortAllAsync(worker, rids).ConfigureAwait(false);
        }
        Interlocked.Decrement(ref _waiting);
    }

    /// <returns>Whether the engine has taken all of them.</returns>
    private async Task<bool> AbortAllAsync(WorkerSnapshot worker, IReadOnlyList<string> rids)
    {
        var taken = true;
        // One after the other: a batch is one request to its engine, it needs no burst of connections to end.
        foreach (var rid in rids)
        {
            taken &= await AbortOneAsync(worker, rid).ConfigureAwait(false);
        }
        return taken;
    }

    private async Task<bool> AbortOneAsync(WorkerSnapshot worker, string rid)
    {
        Interlocked.Increment(ref _sent);
        using var limit = new CancellationTokenSource(options.AbortTimeout, clock);
        for (var again = false; ; again = true)
        {
            try
            {
                if (await PostAsync(worker, rid, limit.Token).ConfigureAwait(false))
                {
                    return true;
                }
            }
            catch (UpstreamException e) when (e.WasStale && !again)
            {
                // An abort may be said twice.
                continue;
            }
            catch (Exception e) when (e is UpstreamException or OperationCanceledException or ObjectDisposedException)
            {
            }
            Interlocked.Increment(ref _failed);
            return false;
        }
    }

    private async Task<bool> PostAsync(WorkerSnapshot worker, string rid, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest
        {
            Engine = worker.Url,
            Path = "/abort_request",
            Body = new UpstreamBody(JsonSerializer.SerializeToUtf8Bytes(new { rid, abort_all = false })),
            ApiKey = worker.ApiKey,
        };
        await using var response = await upstream.SendAsync(request, cancellationToken).ConfigureAwait(false);
        // The body is empty; reading its end lets the connection be used again.
        await response.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false);
        return response.Status < 400;
    }
}
