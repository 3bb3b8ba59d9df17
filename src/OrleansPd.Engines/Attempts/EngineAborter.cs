namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Aborts requests on engines (<c>POST /abort_request</c>). Closing the connection has the same effect, but seconds later. An
/// abort is repeated in case the engine had not queued the request yet, and until the engine accepts it; only ids of ours are
/// repeated, because a client may use its own id again.
/// </summary>
public sealed class EngineAborter(IUpstream upstream, DispatchOptions options, TimeProvider clock)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(30);

    private long _sent;
    private long _failed;
    private int _waiting;

    /// <summary>Abort calls made.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Abort calls that the engine did not accept within the time limit.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    /// <summary>Aborts that will be sent or repeated later.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>
    /// Aborts each id on the engine. Never throws; ends when the first round of calls has ended or reached its time limit.
    /// </summary>
    /// <param name="mayRepeat">The ids are ours and will never be used again: repeating cannot hit another request.</param>
    /// <param name="after">Delay of the first round; the returned task does not wait for a delayed round.</param>
    public Task AbortAsync(WorkerSnapshot worker, IReadOnlyList<string> rids, bool mayRepeat, TimeSpan after = default)
    {
        ArgumentNullException.ThrowIfNull(worker);
        ArgumentNullException.ThrowIfNull(rids);
        var first = after > TimeSpan.Zero ? Task.CompletedTask : AbortAllAsync(worker, rids);
        var repeats = mayRepeat ? options.AbortRepeats : [];
        IReadOnlyList<TimeSpan> later = after > TimeSpan.Zero ? [after, .. repeats.Select(again => after + again)] : repeats;
        if (later.Count > 0)
        {
            if (Interlocked.Increment(ref _waiting) <= options.MaxAbortsToRepeat)
                _ = AbortLaterAsync(worker, rids, later);
            else
                Interlocked.Decrement(ref _waiting);
        }
        return first;
    }

    /// <summary>The fixed repeats, and then further ones, at growing intervals, until the engine accepts one.</summary>
    private async Task AbortLaterAsync(WorkerSnapshot worker, IReadOnlyList<string> rids, IReadOnlyList<TimeSpan> times)
    {
        var started = clock.GetTimestamp();
        var accepted = false;
        foreach (var at in times)
        {
            var left = at - clock.GetElapsedTime(started);
            await Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, clock).ConfigureAwait(false);
            accepted = await AbortAllAsync(worker, rids).ConfigureAwait(false);
        }
        for (var pause = FirstPause; !accepted && clock.GetElapsedTime(started) < options.AbortGiveUpAfter; pause *= 2)
        {
            await Task.Delay(pause < MaxPause ? pause : MaxPause, clock).ConfigureAwait(false);
            accepted = await AbortAllAsync(worker, rids).ConfigureAwait(false);
        }
        Interlocked.Decrement(ref _waiting);
    }

    private async Task<bool> AbortAllAsync(WorkerSnapshot worker, IReadOnlyList<string> rids)
    {
        var accepted = true;
        // In sequence: the abort of a batch must not open many connections.
        foreach (var rid in rids)
            accepted &= await AbortOneAsync(worker, rid).ConfigureAwait(false);
        return accepted;
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
                    return true;
            }
            catch (UpstreamException e) when (e.WasStale && !again)
            {
                // An abort may be sent twice.
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
        // The body is empty; the connection can be reused once its end was read.
        await response.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false);
        return response.Status < 400;
    }
}
