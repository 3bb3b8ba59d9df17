using System.Diagnostics;

namespace OrleansPd.Engines.Attempts;

/// <content>The decode leg, or the only leg of a regular worker, and answers that are not event streams.</content>
internal sealed partial class Attempt
{
    /// <summary>The decode leg from the request to the last byte that the client gets.</summary>
    private async Task<LegEnd> RunDecodeAsync()
    {
        LegEnd end;
        var stop = _decodeStop.Token;
        var span = LegSpan.Begin(
            _services.Telemetry.Source, _call.Trace, _call.Path, _lease, LegSide.Decode, _call.Items, _report.Number);
        try
        {
            using var body = BodyFor(_lease.DecodeTarget);
            var response = await _services.Upstream.SendAsync(RequestFor(_lease.Decode, body, span), stop).ConfigureAwait(false);
            var isRead = false;
            try
            {
                if (response.Status is < 200 or >= 300)
                {
                    end = await BadStatusAsync(response, stop).ConfigureAwait(false);
                }
                else if (IsEventStream(response.ContentType) && !_call.IsOpaque)
                {
                    end = await RelayStreamAsync(response, body!, stop).ConfigureAwait(false);
                    isRead = end.IsOk;
                }
                else
                {
                    end = await RelayWholeAsync(response, stop).ConfigureAwait(false);
                }
            }
            finally
            {
                if (!isRead)
                {
                    await response.DisposeAsync().ConfigureAwait(false);
                }
                else if (!response.IsComplete)
                {
                    // The end mark of the last chunk may not have arrived; the client does not wait for it.
                    _ = FinishReadingAsync(response);
                }
            }
        }
        catch (Exception e)
        {
            end = EndOf(LegSide.Decode, e, _decodeStop);
        }
        EndSpan(span, end);
        Raise(DispatchEvent.DecodeEnded(end));
        return end;
    }

    private void EndSpan(Activity? span, LegEnd end)
    {
        if (span is not null && _report.FirstContentAt != 0)
        {
            var after = _services.Clock.GetElapsedTime(_report.SentAt, _report.FirstContentAt);
            span.AddTag("orleanspd.first_content_ms", after.TotalMilliseconds);
        }
        LegSpan.End(span, end);
    }

    private async ValueTask<LegEnd> BadStatusAsync(IUpstreamResponse response, CancellationToken stop)
    {
        if (response.Status < 400)
            return OddStatus(LegSide.Decode, response.Status);
        _decodeReply = await EngineReply.ReadAsync(response, _services.Options.MaxHeldAnswer, stop).ConfigureAwait(false);
        return ErrorOf(LegSide.Decode, _decodeReply);
    }

    /// <summary>
    /// A plain answer. It is read as a whole where it is small enough, so that an engine that dies in the middle can be replaced,
    /// and then sent to the client.
    /// </summary>
    private async ValueTask<LegEnd> RelayWholeAsync(IUpstreamResponse response, CancellationToken stop)
    {
        var head = new AnswerHead(response.Status, response.ContentType);
        var max = _merger is not null ? _services.Options.MaxEvent : _services.Options.MaxHeldAnswer;
        using var held = new PooledBuffer((int)Math.Min(response.ContentLength ?? 4096, 1 << 20));
        while (true)
        {
            var read = await response.ReadAsync(held.Free(), stop).ConfigureAwait(false);
            if (read == 0)
                break;
            held.Advance(read);
            if (_call.IsOpaque)
                Received();
            if (held.Length > max)
                return await RelayLongAsync(response, head, held, stop).ConfigureAwait(false);
        }
        if (!_call.IsOpaque && !LooksLikeJson(held.Written.Span))
            return new LegEnd(LegEndKind.Malformed, 0, "The decode's answer is not JSON.");
        if (!_call.IsOpaque && !_call.Shape.IsBatch && EventClassifier.MayBeError(held.Written.Span))
        {
            // The answer is sent unchanged; a requested abort in it is recorded for the metrics.
            _ = ErrorIn(LegSide.Decode, held.Written.Span);
        }
        if (!await CommitAsync(stop).ConfigureAwait(false))
            return LegEnd.Cancelled;
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
        _sent = Sent.End;
        return LegEnd.Ok;
    }

    private ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken stop)
    {
        var answered = _sink.AnswerAsync(head, body, stop);
        if (!answered.IsCompleted)
            RearmLimit();
        return answered;
    }

    private async ValueTask<LegEnd> RelayLongAsync(
        IUpstreamResponse response, AnswerHead head, PooledBuffer held, CancellationToken stop)
    {
        if (_merger is not null)
            return new LegEnd(LegEndKind.Malformed, 0, "The decode's answer is too long to be merged.");
        if (!await CommitAsync(stop).ConfigureAwait(false))
            return LegEnd.Cancelled;
        _report.FirstContentAt = _report.FirstOutputAt;
        _sent = Sent.Start;
        RearmLimit();
        await _sink.StartAsync(head, stop).ConfigureAwait(false);
        while (true)
        {
            await _sink.WriteAsync(held.Written, stop).ConfigureAwait(false);
            held.Clear();
            var read = await response.ReadAsync(held.Free(), stop).ConfigureAwait(false);
            if (read == 0)
                return LegEnd.Ok;
            held.Advance(read);
            _lease.Progressed(_services.Clock.GetTimestamp());
        }
    }

    /// <summary>
    /// Part of an opaque answer has arrived: the first-output limit no longer counts, the limit of silence does.
    /// </summary>
    private void Received()
    {
        var now = _services.Clock.GetTimestamp();
        _lease.Progressed(now);
        if (_report.FirstOutputAt == 0)
        {
            _report.FirstOutputAt = now;
            RearmLimit();
        }
    }

    /// <summary>
    /// 7. Reports output to the state and, where the answer needs both legs, waits until it may be sent. Afterwards other limits
    /// count than the one that the timer is set for: call <see cref="RearmLimit"/> before anything that may wait.
    /// </summary>
    /// <returns>False when the attempt was decided otherwise.</returns>
    private async ValueTask<bool> CommitAsync(CancellationToken stop)
    {
        if (_report.FirstOutputAt == 0)
            _report.FirstOutputAt = _services.Clock.GetTimestamp();
        MeterKvWait();
        Raise(DispatchEvent.DecodeOutput);
        if (!IsCommitted && _settled is not null)
        {
            RearmLimit();
            await _settled.Task.WaitAsync(stop).ConfigureAwait(false);
        }
        return IsCommitted && CurrentVerdict is null;
    }

    private static bool LooksLikeJson(ReadOnlySpan<byte> body)
    {
        body = body.Trim(" \t\r\n"u8);
        return body.Length >= 2 && (body[0], body[^1]) is ((byte)'{', (byte)'}') or ((byte)'[', (byte)']');
    }
}
