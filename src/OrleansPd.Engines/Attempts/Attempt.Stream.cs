namespace OrleansPd.Engines.Attempts;

/// <content>The relay of the decode leg's event stream.</content>
internal sealed partial class Attempt
{
    /// <summary>Bytes of the first buffer of a stream. Small: thousands of streams wait at the same time.</summary>
    private const int FirstChunk = 4096;

    /// <summary>Bytes of the largest buffer of a stream that sends much.</summary>
    private const int MaxChunk = 64 * 1024;

    /// <summary>
    /// Relays a stream. The first event is read before anything is sent, because an engine reports a failure with status 200 and
    /// an error event; after that whole events are passed on as they arrive, without a timer.
    /// </summary>
    private async ValueTask<LegEnd> RelayStreamAsync(IUpstreamResponse response, SplicedBody body, CancellationToken stop)
    {
        using var scan = new StreamScan(_services.Options.MaxEvent);
        using var chunk = new PooledBuffer(FirstChunk);
        using var merged = _merger is null ? null : new PooledBuffer();
        var lastChunkAt = 0L;
        _journal?.Mark();
        while (true)
        {
            scan.Keep(chunk.Written.Span);
            chunk.ClearAndGrow(MaxChunk);
            var more = response.WaitAsync(stop);
            if (!more.IsCompletedSuccessfully)
            {
                chunk.Rest();
                _ = await more.ConfigureAwait(false);
            }
            var read = await response.ReadAsync(chunk.Free(), stop).ConfigureAwait(false);
            if (read == 0)
                return scan.Reported ?? new LegEnd(LegEndKind.Truncated, 0, "The decode's stream ended without [DONE].");
            chunk.Advance(read);
            lastChunkAt = TakeChunk(scan, chunk, lastChunkAt);
            if (_sent == Sent.Nothing && scan.Events > 0 && !await TryStartAsync(response, body, stop).ConfigureAwait(false))
            {
                _journal?.ForgetSinceMark();
                return LegEnd.Cancelled;
            }
            if (_sent != Sent.Nothing && scan.HasOutput)
            {
                await WriteOutput(scan, chunk, merged, stop).ConfigureAwait(false);
                scan.Flushed();
            }
            if (scan.Fatal is { } fatal)
                return fatal;
            if (scan.Done)
                return scan.Reported ?? LegEnd.Ok;
        }
    }

    /// <summary>Scans what was read and records the time between events.</summary>
    /// <returns>When the chunk arrived.</returns>
    private long TakeChunk(StreamScan scan, PooledBuffer chunk, long lastChunkAt)
    {
        var now = _services.Clock.GetTimestamp();
        var hadContent = _report.FirstContentAt != 0;
        _lease.Progressed(now);
        ScanDecode(scan, chunk.Written.Span, now);
        if (hadContent && scan.Events > 0 && !scan.Done)
            _services.Meter.Gap(_services.Clock.GetElapsedTime(lastChunkAt, now), scan.Events);
        return now;
    }

    /// <summary>7. Commits and starts the client's stream, unless an earlier attempt has started it.</summary>
    /// <returns>False when the attempt was decided otherwise.</returns>
    private async ValueTask<bool> TryStartAsync(IUpstreamResponse response, SplicedBody body, CancellationToken stop)
    {
        if (!await CommitAsync(stop).ConfigureAwait(false))
            return false;
        _sent = Sent.Start;
        RearmLimit();
        if (_journal is not { HasBegun: true })
        {
            await _sink.StartAsync(new AnswerHead(response.Status, response.ContentType, IsEventStream: true), stop)
                .ConfigureAwait(false);
            _journal?.Begin();
        }
        if (response.HasTakenBody)
        {
            // No attempt sends the request again, unless streams are resumed: a long stream need not keep it in memory.
            body.Dispose();
            if (_journal is null && _call.IsSingle)
                _call.Body.Dispose();
        }
        return true;
    }

    private ValueTask WriteOutput(StreamScan scan, PooledBuffer chunk, PooledBuffer? merged, CancellationToken stop)
    {
        _request.Events += scan.Events;
        _sent = scan.Done ? Sent.End : scan.Reported is not null ? Sent.Error : _sent;
        var waiting = scan.Waiting(chunk.Written);
        if (merged is null)
            return _sink.WriteAsync(waiting, stop);
        merged.Clear();
        Merge(waiting.Span, merged);
        return _sink.WriteAsync(merged.Written, stop);
    }

    /// <summary>Splits a chunk into events. Nothing here waits, so that events are read in place.</summary>
    private void ScanDecode(StreamScan scan, ReadOnlySpan<byte> whole, long now)
    {
        var chunk = whole;
        var first = !IsCommitted;
        while (scan.Next(ref chunk, out var e))
        {
            if (!scan.Done && (first || EventClassifier.MayBeError(e.Data)) && ErrorIn(LegSide.Decode, e.Data) is { } error)
            {
                // Where the stream can be resumed the client does not get the engine's error.
                if (first || error.Kind == LegEndKind.Malformed || _journal is not null)
                {
                    scan.Fatal = error;
                    return;
                }
                scan.Reported ??= error;
            }
            else if (!scan.Done && !EventClassifier.IsObject(e.Data))
            {
                scan.Fatal = new LegEnd(LegEndKind.Malformed, 0, "An event of the decode's stream is not JSON.");
                return;
            }
            first = false;
            scan.Events++;
            if (_report.FirstContentAt == 0 && !scan.Done
                && EventClassifier.Classify(e.Data, _call.Shape.Dialect).Kind is EventKind.Content or EventKind.Finish)
            {
                _report.FirstContentAt = now;
            }
            if (_journal is null)
            {
                scan.Pass(whole, e.Raw);
            }
            else if (!_journal.Take(e, scan.Output))
            {
                scan.Fatal = new LegEnd(
                    LegEndKind.Malformed, 0, "An event of the decode's stream is not what the route answers.");
                return;
            }
        }
        if (scan.IsTooLong)
            scan.Fatal = new LegEnd(LegEndKind.Malformed, 0, "An event of the decode's stream is too long.");
    }

    /// <summary>Writes the prefill's input log probabilities into each event that has a member for them.</summary>
    private void Merge(ReadOnlySpan<byte> events, PooledBuffer into)
    {
        using var scan = new StreamScan(_services.Options.MaxEvent);
        while (scan.Next(ref events, out var e))
        {
            if (scan.Done)
            {
                into.Write(e.Raw);
                continue;
            }
            into.Write("data: "u8);
            _merger!.Write(e.Data, into);
            into.Write("\n\n"u8);
        }
    }

    /// <summary>Reads the end of a complete answer, at most for 1 s, so that its connection can be used again.</summary>
    private async Task FinishReadingAsync(IUpstreamResponse response)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1), _services.Clock);
        try
        {
            var scratch = new byte[256];
            while (await response.ReadAsync(scratch, limit.Token).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception e) when (e is UpstreamException or OperationCanceledException)
        {
            // The answer is complete; only a connection is lost.
        }
        finally
        {
            await response.DisposeAsync().ConfigureAwait(false);
        }
    }
}
