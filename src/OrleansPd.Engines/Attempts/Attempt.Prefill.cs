namespace OrleansPd.Engines.Attempts;

/// <content>The prefill leg.</content>
internal sealed partial class Attempt
{
    /// <summary>
    /// The prefill leg from first to last byte. Only its input log probabilities are used, yet its answer is read to the end:
    /// closing it would abort the request, and it ends only when the KV has been transferred.
    /// </summary>
    private async Task RunPrefillAsync()
    {
        LegEnd end;
        using var held = _call.Body.TakeHold();
        var stop = _prefillStop.Token;
        var span = LegSpan.Begin(
            _services.Telemetry.Source, _call.Trace, _call.Path, _lease, LegSide.Prefill, _call.Items, _report.Number);
        try
        {
            using var body = BodyFor(_lease.PrefillTarget);
            var response = await _services.Upstream.SendAsync(RequestFor(_lease.Prefill!, body, span), stop)
                .ConfigureAwait(false);
            await using (response.ConfigureAwait(false))
                end = await ReadPrefillAsync(response, stop).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            end = EndOf(LegSide.Prefill, e, _prefillStop);
        }
        if (end.Kind == LegEndKind.TransferFailed)
        {
            // A failed transfer is reported by both sides, whichever caused it. Decode's own report (an abort by the client, its
            // own death) is on its way and decides whether there is a retry.
            await WhenDecodeEnded().WaitAsync(_services.Options.PartnerReportWait, _services.Clock)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        _report.PrefillEndedAt = _services.Clock.GetTimestamp();
        _lease.Progressed(_report.PrefillEndedAt);
        LegSpan.End(span, end);
        if (end.IsOk)
            _services.Meter.Prefilled(Elapsed);
        MeterKvWait();
        Raise(DispatchEvent.PrefillEnded(end));
        if (MayRunOn(end))
            await AbortAsync(_lease.Prefill!).ConfigureAwait(false);
        var outcome = CurrentVerdict is { } verdict
            ? verdict.OutcomeOf(LegSide.Prefill, end)
            : end.IsOk ? LegOutcome.Succeeded : end.IsOwnFault ? LegOutcome.Failed : LegOutcome.Neutral;
        _services.LegClosed(_lease, LegSide.Prefill, outcome);
    }

    private async ValueTask<LegEnd> ReadPrefillAsync(IUpstreamResponse response, CancellationToken stop)
    {
        if (response.Status >= 400)
        {
            _prefillReply = await EngineReply.ReadAsync(response, _services.Options.MaxHeldAnswer, stop).ConfigureAwait(false);
            return ErrorOf(LegSide.Prefill, _prefillReply);
        }
        if (response.Status is < 200 or >= 300)
            return OddStatus(LegSide.Prefill, response.Status);
        if (IsEventStream(response.ContentType))
            return await DrainStreamAsync(response, stop).ConfigureAwait(false);
        if (_call.NeedsPrefillAnswer)
        {
            var reply = await EngineReply.ReadAsync(response, _services.Options.MaxEvent, stop).ConfigureAwait(false);
            _merger!.AddPrefill(reply.Body);
            return LegEnd.Ok;
        }
        using var scratch = new PooledBuffer();
        while (!response.IsComplete && await response.ReadAsync(scratch.Free(), stop).ConfigureAwait(false) > 0)
        {
        }
        return LegEnd.Ok;
    }

    /// <summary>Reads a prefill's stream for errors, and for the events whose log probabilities are needed.</summary>
    private async ValueTask<LegEnd> DrainStreamAsync(IUpstreamResponse response, CancellationToken stop)
    {
        using var scan = new StreamScan(_services.Options.MaxEvent);
        using var chunk = new PooledBuffer();
        while (true)
        {
            chunk.Clear();
            var read = await response.ReadAsync(chunk.Free(), stop).ConfigureAwait(false);
            if (read == 0)
            {
                return scan.Reported
                    ?? (scan.Done ? LegEnd.Ok : new(LegEndKind.Truncated, 0, "The prefill's stream ended without [DONE]."));
            }
            chunk.Advance(read);
            ScanPrefill(scan, chunk.Written.Span);
            if (scan.IsTooLong)
                return new LegEnd(LegEndKind.Malformed, 0, "An event of the prefill's stream is too long.");
        }
    }

    private void ScanPrefill(StreamScan scan, ReadOnlySpan<byte> chunk)
    {
        while (scan.Next(ref chunk, out var e))
        {
            if (scan.Done)
                return;
            if (EventClassifier.MayBeError(e.Data) && ErrorIn(LegSide.Prefill, e.Data) is { } error)
            {
                scan.Reported ??= error;
                continue;
            }
            _merger?.AddPrefill(e.Data);
        }
    }
}
