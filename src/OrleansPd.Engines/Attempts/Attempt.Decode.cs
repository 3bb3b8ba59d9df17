using System.Buffers;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Attempts;

internal sealed partial class Attempt
{
    private const int FirstChunk = 4096;
    private const int MostChunk = 64 * 1024;

    /// <summary>The decode leg from the request to the last byte that the client gets.</summary>
    private async Task<LegEnd> RunDecodeAsync()
    {
        LegEnd end;
        var stop = _decodeStop.Token;
        var span = LegSpan.Begin(_call.Trace, _call.Path, _lease, LegSide.Decode, _call.Items, _report.Number);
        try
        {
            using var body = BodyFor(_lease.DecodeTarget);
            var response = await _owner.Upstream.SendAsync(RequestFor(_lease.Decode, body, span), stop).ConfigureAwait(false);
            var keep = false;
            try
            {
                if (response.Status is < 200 or >= 300)
                {
                    end = await BadStatusAsync(response, stop).ConfigureAwait(false);
                }
                else if (IsEventStream(response.ContentType))
                {
                    end = await RelayStreamAsync(response, body, stop).ConfigureAwait(false);
                    keep = end.IsOk;
                }
                else
                {
                    end = await RelayWholeAsync(response, stop).ConfigureAwait(false);
                }
            }
            finally
            {
                if (!keep)
                {
                    await response.DisposeAsync().ConfigureAwait(false);
                }
                else if (!response.IsComplete)
                {
                    // The last chunk's end mark may still be on its way; the client does not wait for it.
                    _ = FinishReadingAsync(response);
                }
            }
        }
        catch (OperationCanceledException) when (_decodeStop.IsCancellationRequested)
        {
            end = LegEnd.Cancelled;
        }
        catch (UpstreamException e)
        {
            end = Ended(e);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A bug of ours must not leave the leg open: the lease would never come back.
            end = new LegEnd(LegEndKind.GatewayError, 500, e.ToString());
        }
        if (_report.FirstContentAt != 0)
        {
            var after = _owner.Clock.GetElapsedTime(_report.SentAt, _report.FirstContentAt);
            span?.AddTag("orleanspd.first_content_ms", after.TotalMilliseconds);
        }
        LegSpan.End(span, end);
        Raise(DispatchEvent.DecodeEnded(end));
        ReportDecodeEnded();
        return end;
    }

    private async ValueTask<LegEnd> BadStatusAsync(IUpstreamResponse response, CancellationToken stop)
    {
        if (response.Status < 400)
        {
            return OddStatus(LegSide.Decode, response.Status);
        }
        _decodeReply = await EngineReply.ReadAsync(response, _owner.Options.MaxHeldAnswer, stop).ConfigureAwait(false);
        return ErrorOf(LegSide.Decode, _decodeReply);
    }

    /// <summary>A plain answer: taken in whole where it is small enough, then given to the client at once.</summary>
    private async ValueTask<LegEnd> RelayWholeAsync(IUpstreamResponse response, CancellationToken stop)
    {
        var head = new AnswerHead(response.Status, response.ContentType);
        var most = _merger is not null ? _owner.Options.MaxEvent : _owner.Options.MaxHeldAnswer;
        using var held = new PooledBuffer((int)Math.Min(response.ContentLength ?? 4096, 1 << 20));
        while (true)
        {
            var read = await response.ReadAsync(held.Free(), stop).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }
            held.Advance(read);
            if (held.Length > most)
            {
                return await RelayLongAsync(response, head, held, stop).ConfigureAwait(false);
            }
        }
        if (!LooksLikeJson(held.Written.Span))
        {
            return new LegEnd(LegEndKind.Malformed, 0, "The decode's answer is not JSON.");
        }
        if (!_call.Shape.IsBatch && EventClassifier.MayBeError(held.Written.Span))
        {
            // The answer goes out as it is; that it tells of an abort is for the metrics.
            _ = ErrorIn(LegSide.Decode, held.Written.Span);
        }
        if (!await CommitAsync(stop).ConfigureAwait(false))
        {
            return LegEnd.Cancelled;
        }
        _report.FirstContentAt = _report.FirstOutputAt;
        if (_merger is not null)
        {
            using var merged = new PooledBuffer(held.Length * 2);
            _merger.Write(held.Written.Span, merged);
            await AnswerAsync(head, merged.Written, stop).ConfigureAwait(false);
        }
        else
        {
            await AnswerAsync(head, held.Written, stop).ConfigureAwait(false);
        }
        _endWasRelayed = true;
        return LegEnd.Ok;
    }

    private ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken stop)
    {
        var answered = _sink.AnswerAsync(head, body, stop);
        if (!answered.IsCompleted)
        {
            OnLimit();
        }
        return answered;
    }

    private async ValueTask<LegEnd> RelayLongAsync(
        IUpstreamResponse response, AnswerHead head, PooledBuffer held, CancellationToken stop)
    {
        if (_merger is not null)
        {
            return new LegEnd(LegEndKind.Malformed, 0, "The decode's answer is too long to be merged.");
        }
        if (!await CommitAsync(stop).ConfigureAwait(false))
        {
            return LegEnd.Cancelled;
        }
        _hasStarted = true;
        OnLimit();
        await _sink.StartAsync(head, stop).ConfigureAwait(false);
        while (true)
        {
            await _sink.WriteAsync(held.Written, stop).ConfigureAwait(false);
            held.Clear();
            var read = await response.ReadAsync(held.Free(), stop).ConfigureAwait(false);
            if (read == 0)
            {
                return LegEnd.Ok;
            }
            held.Advance(read);
        }
    }

    /// <summary>
    /// A stream: the first event is looked at before anything is sent, because an engine's failure comes as 200 and an error
    /// event (protocol §1.4); after that whole events are passed on as they come, with no timer and nothing held back.
    /// </summary>
    private async ValueTask<LegEnd> RelayStreamAsync(IUpstreamResponse response, SplicedBody body, CancellationToken stop)
    {
        using var scan = new StreamScan(_owner.Options.MaxEvent);
        // Small, as there are thousands of streams that wait; one that brings much gets more.
        using var chunk = new PooledBuffer(FirstChunk);
        using var merged = _merger is null ? null : new PooledBuffer();
        var started = false;
        var begun = _journal is { HasBegun: true };
        _journal?.Mark();
        while (true)
        {
            scan.Keep(chunk.Written.Span);
            chunk.ClearAndGrow(MostChunk);
            var comes = response.WaitAsync(stop);
            if (!comes.IsCompletedSuccessfully)
            {
                chunk.Rest();
                _ = await comes.ConfigureAwait(false);
            }
            var read = await response.ReadAsync(chunk.Free(), stop).ConfigureAwait(false);
            if (read == 0)
            {
                return scan.Reported ?? new LegEnd(LegEndKind.Truncated, 0, "The decode's stream ended without [DONE].");
            }
            chunk.Advance(read);
            var now = _owner.Clock.GetTimestamp();
            var hadContent = _report.FirstContentAt != 0;
            _lease.Progressed(now);
            ScanDecode(scan, chunk.Written.Span, now);
            if (hadContent && scan.Events > 0 && !scan.Done)
            {
                _owner.Meter.Gap(_owner.Clock.GetElapsedTime(_lastEventAt, now), scan.Events);
            }
            _lastEventAt = now;
            if (!started && scan.Events > 0)
            {
                if (!await CommitAsync(stop).ConfigureAwait(false))
                {
                    _journal?.ForgetSinceMark();
                    return LegEnd.Cancelled;
                }
                _hasStarted = true;
                OnLimit();
                if (!begun)
                {
                    await _sink.StartAsync(new AnswerHead(response.Status, response.ContentType, IsEventStream: true), stop)
                        .ConfigureAwait(false);
                    _journal?.Begin();
                }
                started = true;
                if (response.HasTakenBody)
                {
                    Release(body);
                }
            }
            if (started && scan.HasOutput)
            {
                _request.Events += scan.Events;
                _errorWasRelayed |= scan.Reported is not null;
                _endWasRelayed |= scan.Done;
                var waiting = scan.Waiting(chunk.Written);
                if (merged is not null)
                {
                    merged.Clear();
                    Merge(waiting.Span, merged);
                    await _sink.WriteAsync(merged.Written, stop).ConfigureAwait(false);
                }
                else
                {
                    await _sink.WriteAsync(waiting, stop).ConfigureAwait(false);
                }
                scan.Flushed();
            }
            if (scan.Fatal is { } fatal)
            {
                return fatal;
            }
            if (scan.Done)
            {
                return scan.Reported ?? LegEnd.Ok;
            }
        }
    }

    /// <summary>
    /// Nothing is sent again once an answer has begun, unless streams are resumed: a stream that is long holds no request.
    /// </summary>
    private void Release(SplicedBody body)
    {
        body.Dispose();
        if (_journal is null && _call.MayReleaseBody)
        {
            _call.Body.Release();
        }
    }

    /// <summary>Tells the state that output is there and waits, where the answer needs both legs, until it may go out.</summary>
    /// <remarks>Other limits count from now on than the one that the timer is set for: who does not end soon calls
    /// <see cref="OnLimit"/>.</remarks>
    /// <returns>False when the attempt was decided otherwise.</returns>
    private async ValueTask<bool> CommitAsync(CancellationToken stop)
    {
        _report.FirstOutputAt = _owner.Clock.GetTimestamp();
        MeterKvWait();
        Raise(DispatchEvent.DecodeOutput);
        if (!IsCommitted && _settled is not null)
        {
            OnLimit();
            await _settled.Task.WaitAsync(stop).ConfigureAwait(false);
        }
        return IsCommitted && CurrentVerdict is null;
    }

    /// <summary>Once, when both the prefill's end and decode's first event are known.</summary>
    private void MeterKvWait()
    {
        var (prefill, decode) = (_report.PrefillEndedAt, _report.FirstOutputAt);
        if (prefill != 0 && decode != 0 && !_lease.IsRegular && Interlocked.Exchange(ref _kvWaited, 1) == 0)
        {
            _owner.Meter.KvWaited(decode > prefill ? _owner.Clock.GetElapsedTime(prefill, decode) : TimeSpan.Zero);
        }
    }

    /// <summary>Takes a chunk apart into events. Nothing here waits, so that events can be looked at where they lie.</summary>
    private void ScanDecode(StreamScan scan, ReadOnlySpan<byte> whole, long now)
    {
        var chunk = whole;
        var first = !IsCommitted;
        while (scan.Next(ref chunk, out var e))
        {
            if (!scan.Done && (first || EventClassifier.MayBeError(e.Data)) && ErrorIn(LegSide.Decode, e.Data) is { } error)
            {
                // Where the stream can go on elsewhere the client does not hear of the engine's failure.
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
        {
            scan.Fatal = new LegEnd(LegEndKind.Malformed, 0, "An event of the decode's stream is too long.");
        }
    }

    /// <summary>Puts the prefill's input log probabilities into each event that has a place for them.</summary>
    private void Merge(ReadOnlySpan<byte> events, PooledBuffer into)
    {
        using var scan = new StreamScan(_owner.Options.MaxEvent);
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

    private async Task FinishReadingAsync(IUpstreamResponse response)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1), _owner.Clock);
        try
        {
            var scratch = new byte[256];
            while (await response.ReadAsync(scratch, limit.Token).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception e) when (e is UpstreamException or OperationCanceledException)
        {
            // The answer is complete; all that is lost is a connection.
        }
        finally
        {
            await response.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static bool LooksLikeJson(ReadOnlySpan<byte> body)
    {
        body = body.Trim(" \t\r\n"u8);
        return body.Length >= 2 && (body[0], body[^1]) is ((byte)'{', (byte)'}') or ((byte)'[', (byte)']');
    }
}
