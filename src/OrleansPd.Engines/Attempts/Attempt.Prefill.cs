using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Attempts;

internal sealed partial class Attempt
{
    /// <summary>
    /// The prefill leg from first to last byte. Its answer is for nobody (but for input log probabilities), yet it is read to the
    /// end: cutting it would abort the request, and it ends only when the KV has arrived.
    /// </summary>
    private async Task RunPrefillAsync()
    {
        LegEnd end;
        using var held = _call.Body.Hold();
        var stop = _prefillStop.Token;
        var span = LegSpan.Begin(_call.Trace, _call.Path, _lease, LegSide.Prefill, _call.Items, _report.Number);
        try
        {
            using var body = BodyFor(_lease.PrefillTarget);
            var response = await _owner.Upstream.SendAsync(RequestFor(_lease.Prefill!, body, span), stop).ConfigureAwait(false);
            await using (response.ConfigureAwait(false))
            {
                end = await ReadPrefillAsync(response, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_prefillStop.IsCancellationRequested)
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
        if (end.Kind == LegEndKind.TransferFailed)
        {
            // A transfer fails on both sides, whoever is the cause; what the decode says of it (an abort by the client, its own
            // death) is on its way and decides whether there is to be a retry.
            await WhenDecodeEnded().WaitAsync(_owner.Options.PartnerWord, _owner.Clock)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        _report.PrefillEndedAt = _owner.Clock.GetTimestamp();
        _lease.Progressed(_report.PrefillEndedAt);
        LegSpan.End(span, end);
        if (end.IsOk)
        {
            _owner.Meter.Prefilled(Elapsed);
        }
        MeterKvWait();
        Raise(DispatchEvent.PrefillEnded(end));
        if (MayRunOn(end))
        {
            await AbortAsync(_lease.Prefill!).ConfigureAwait(false);
        }
        var outcome = CurrentVerdict is { } verdict
            ? verdict.OutcomeOf(LegSide.Prefill, end)
            : end.IsOk ? LegOutcome.Succeeded : end.IsOwnFault ? LegOutcome.Failed : LegOutcome.Neutral;
        _owner.LegClosed(_lease, LegSide.Prefill, outcome);
    }

    private async ValueTask<LegEnd> ReadPrefillAsync(IUpstreamResponse response, CancellationToken stop)
    {
        if (response.Status >= 400)
        {
            _prefillReply = await EngineReply.ReadAsync(response, _owner.Options.MaxHeldAnswer, stop).ConfigureAwait(false);
            return ErrorOf(LegSide.Prefill, _prefillReply);
        }
        if (response.Status is < 200 or >= 300)
        {
            return OddStatus(LegSide.Prefill, response.Status);
        }
        if (IsEventStream(response.ContentType))
        {
            return await DrainStreamAsync(response, stop).ConfigureAwait(false);
        }
        if (_call.NeedsPrefillAnswer)
        {
            var reply = await EngineReply.ReadAsync(response, _owner.Options.MaxEvent, stop).ConfigureAwait(false);
            _merger!.AddPrefill(reply.Body);
            return LegEnd.Ok;
        }
        using var scratch = new PooledBuffer();
        while (!response.IsComplete && await response.ReadAsync(scratch.Free(), stop).ConfigureAwait(false) > 0)
        {
        }
        return LegEnd.Ok;
    }

    /// <summary>Reads a prefill's stream for errors, and for the frames whose log probabilities are needed.</summary>
    private async ValueTask<LegEnd> DrainStreamAsync(IUpstreamResponse response, CancellationToken stop)
    {
        using var scan = new StreamScan(_owner.Options.MaxEvent);
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
            {
                return new LegEnd(LegEndKind.Malformed, 0, "An event of the prefill's stream is too long.");
            }
        }
    }

    private void ScanPrefill(StreamScan scan, ReadOnlySpan<byte> chunk)
    {
        while (scan.Next(ref chunk, out var e))
        {
            if (scan.Done)
            {
                return;
            }
            if (EventClassifier.MayBeError(e.Data) && ErrorIn(LegSide.Prefill, e.Data) is { } error)
            {
                scan.Reported ??= error;
                continue;
            }
            _merger?.AddPrefill(e.Data);
        }
    }

    /// <summary>The engine's error answer as the end of a leg.</summary>
    private LegEnd ErrorOf(LegSide side, EngineReply reply) =>
        EngineAnswer.Classify(side, reply.Status, ErrorBody.Extract(reply.Body), Elapsed, _ridsAreOurs);

    /// <summary>No engine answers a generation so: something else is at its address.</summary>
    private static LegEnd OddStatus(LegSide side, int status) =>
        new(LegEndKind.Malformed, 0, $"The {(side == LegSide.Prefill ? "prefill" : "decode")} answered with status {status}.");

    /// <summary>The end of a leg that an event of its stream stands for; null when the event is a good one.</summary>
    private LegEnd? ErrorIn(LegSide side, ReadOnlySpan<byte> data)
    {
        var e = EventClassifier.Classify(data, _call.Shape.Dialect);
        return e.Kind switch
        {
            EventKind.Error => EngineAnswer.Classify(side, e.Code ?? 500, e.Message ?? "", Elapsed, _ridsAreOurs),
            // An abort without a status is what a user's own abort looks like: an answer, not a failure (protocol §2.7).
            EventKind.Abort when e.Code is { } code => EngineAnswer.Classify(side, code, e.Message ?? "", Elapsed, _ridsAreOurs),
            EventKind.Abort when side == LegSide.Decode => MarkAborted(),
            EventKind.Malformed => new LegEnd(LegEndKind.Malformed, 0, "An event of the stream is not JSON."),
            _ => null,
        };
    }

    private LegEnd? MarkAborted()
    {
        _request.WasAborted = true;
        return null;
    }

    private static LegEnd Ended(UpstreamException e) =>
        new(e.NeverSent ? LegEndKind.Unreachable : e.WasStale ? LegEndKind.Stale : LegEndKind.Broken, 0, e.Message);

    private TimeSpan Elapsed => _owner.Clock.GetElapsedTime(_report.SentAt);

    private static bool IsEventStream(string? contentType) =>
        contentType is not null && contentType.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);
}
