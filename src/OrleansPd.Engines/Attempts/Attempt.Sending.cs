using System.Diagnostics;

namespace OrleansPd.Engines.Attempts;

/// <content>What an attempt sends to engines: the legs' requests, and aborts.</content>
internal sealed partial class Attempt
{
    private UpstreamRequest RequestFor(WorkerSnapshot worker, SplicedBody? body, Activity? span) => new()
    {
        Engine = worker.Url,
        Path = _call.Path,
        Body = body is null ? new UpstreamBody(_call.Body.Memory) : new UpstreamBody(body),
        ApiKey = worker.ApiKey,
        Authorization = _call.Authorization,
        Headers = LegSpan.Headers(_call.Trace, span, _call.Headers),
    };

    /// <summary>The client's body with the members that the engine needs; null = the client's body unchanged.</summary>
    private SplicedBody? BodyFor(in LegTarget target)
    {
        if (_call.IsOpaque)
            return null;
        var single = _call.Item >= 0 || !_call.Shape.IsBatch;
        var ours = _ridsAreOurs || _call.Item >= 0;
        var members = new LegMembers
        {
            BootstrapHost = target.BootstrapHost,
            BootstrapPort = target.BootstrapPort,
            LoraPath = _call.LoraPath,
            Room = single ? _lease.Room : 0,
            Rooms = single ? default : _lease.Rooms,
            RoutedDpRank = target.RoutedDpRank,
            DisaggPrefillDpRank = target.DisaggPrefillDpRank,
            Rid = ours && single ? _report.Rids[0] : null,
            Rids = ours && !single ? _report.Rids : default,
        };
        return _call.Item >= 0
            ? BodySplicer.SpliceSample(_call.Body.Memory, _call.Shape, _call.Item, _call.Sample, members)
            : BodySplicer.Splice(_call.Body.Memory, _call.Shape, members);
    }

    /// <summary>
    /// Whether the engine may still run a leg that has ended for us: we cut it, or it ended without an answer to the request, or
    /// it is a batch, where one failed prompt ends the call while the others go on.
    /// </summary>
    private bool MayRunOn(LegEnd end) =>
        end.Kind is LegEndKind.Cancelled or LegEndKind.Broken or LegEndKind.Stale or LegEndKind.Malformed or LegEndKind.Truncated
        || (_call.Items > 1 && end.IsFailure && end.Kind is not (LegEndKind.Unreachable or LegEndKind.ClientError));

    /// <summary>
    /// 8. Aborts on one engine and waits for its answer, at most <see cref="DispatchOptions.AbortWait"/>: a slow abort must not
    /// hold capacity.
    /// </summary>
    private async Task AbortAsync(WorkerSnapshot worker, TimeSpan after = default)
    {
        var rids = _report.Rids;
        if (after > TimeSpan.Zero && !_ridsAreOurs)
        {
            // After the delay the client may use its id again.
            return;
        }
        if (!_ridsAreOurs && !rids.All(rid => _services.LiveRids.IsSafeToAbort(rid, _services.Rids.Prefix)))
        {
            // Another live id begins with this one and would be aborted too. The engine notices the closed connection instead.
            return;
        }
        var abort = _services.Aborter.AbortAsync(worker, rids, mayRepeat: _ridsAreOurs, after);
        await abort.WaitAsync(_services.Options.AbortWait, _services.Clock)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
