using System.Diagnostics;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// One attempt on one pair: two legs that feed one <see cref="DispatchState"/> and do what it says. The decode leg runs in the
/// request's own flow, the prefill leg beside it; whichever brings the deciding event carries out the consequences.
/// <code>
///   RunAsync ─┬─ prefill leg (Attempt.Prefill.cs) ── PrefillEnded ─┐
///             └─ decode leg  (Attempt.Decode.cs)  ── DecodeOutput, DecodeEnded ─┤
///   client, clock ────────────────────────────────── ClientGone, OutOfTime ─────┴─► Raise ─► commit / cancel a leg / decided
/// </code>
/// </summary>
internal sealed partial class Attempt : ILimited
{
    private static readonly byte[] EndOfStream = "data: [DONE]\n\n"u8.ToArray();

    private readonly PairDispatcher _owner;
    private readonly DispatchCall _call;
    private readonly PairLease _lease;
    private readonly IAnswerSink _sink;
    private readonly StreamJournal? _journal;
    private readonly DispatchReport _request;
    private readonly AttemptReport _report;
    private readonly bool _ridsAreOurs;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _prefillStop = new();
    private readonly CancellationTokenSource _decodeStop = new();

    // Set only where the answer needs both legs: the decode leg then waits here until the state commits or decides.
    private readonly TaskCompletionSource? _settled;
    // Set only where the answer needs both legs: filled by the prefill leg before it ends, read by the decode leg after that.
    private readonly LogprobMerger? _merger;
    // Made only where the prefill leg waits for it, which is rare.
    private TaskCompletionSource? _decodeEnded;
    private bool _hasDecodeEnded;
    private LimitTimer? _limit;
    private int _kvWaited;
    private long _lastEventAt;
    private DispatchState _state;
    private EngineReply? _prefillReply;
    private EngineReply? _decodeReply;
    private bool _errorWasRelayed;
    private bool _endWasRelayed;
    // Not the same as committed: the attempt may be decided otherwise between the one and the other.
    private bool _hasStarted;

    public Attempt(PairDispatcher owner, DispatchCall call, PairLease lease, int number, DispatchReport request, IAnswerSink sink,
        StreamJournal? journal)
    {
        _owner = owner;
        _call = call;
        _lease = lease;
        _sink = sink;
        _journal = journal;
        _request = request;
        _ridsAreOurs = number > 0 || call.ClientRids.Count == 0;
        _state = DispatchState.Start(lease.IsRegular, call.NeedsPrefillAnswer, call.Items > 1);
        _merger = _state.NeedsPrefillAnswer ? new() : null;
        _settled = _state.NeedsPrefillAnswer ? new(TaskCreationOptions.RunContinuationsAsynchronously) : null;
        _report = new AttemptReport
        {
            Lease = lease,
            Number = number,
            Rids = _ridsAreOurs ? MintRids() : [.. call.ClientRids],
            SentAt = owner.Clock.GetTimestamp(),
        };
        lease.Rids = _report.Rids;
        request.Add(_report);
    }

    public bool IsCommitted
    {
        get
        {
            lock (_gate)
            {
                return _state.IsCommitted;
            }
        }
    }

    private Verdict? CurrentVerdict
    {
        get
        {
            lock (_gate)
            {
                return _state.Verdict;
            }
        }
    }

    /// <summary>
    /// Sends both legs and relays the answer. Ends when the decode leg has ended and, after a failure, the aborts are out.
    /// </summary>
    public async Task<Verdict> RunAsync(CancellationToken clientGone)
    {
        var prefill = Task.CompletedTask;
        if (!_lease.IsRegular)
        {
            _owner.LegOpened(LegSide.Prefill);
            prefill = RunPrefillAsync();
        }
        _owner.LegOpened(LegSide.Decode);
        _limit = _owner.Limits.Rent(this);
        LegEnd end;
        try
        {
            _limit.Set(this, Left(out _));
            var watched = clientGone.UnsafeRegister(static state => ((Attempt)state!).Raise(DispatchEvent.ClientGone), this);
            var stopped = _owner.Shutdown.UnsafeRegister(
                static state => ((Attempt)state!).Raise(DispatchEvent.ShuttingDown), this);
            await using (watched.ConfigureAwait(false))
            await using (stopped.ConfigureAwait(false))
            {
                end = await RunDecodeAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _owner.Limits.Return(_limit);
        }
        var verdict = CurrentVerdict!;
        _report.Verdict = verdict;
        _report.DecodeEndedAt = _owner.Clock.GetTimestamp();
        if (MayRunOn(end))
        {
            var mayBeInTransfer = _report.FirstOutputAt == 0 && !_lease.IsRegular;
            await AbortAsync(_lease.Decode, mayBeInTransfer ? _owner.Options.DecodeAbortDelay : default).ConfigureAwait(false);
        }
        _owner.LegClosed(_lease, LegSide.Decode, verdict.OutcomeOf(LegSide.Decode, end));
        if (!verdict.IsSuccess)
        {
            // Nothing is retried or answered before the partner has been told: a retry must not meet its own former life.
            await prefill.ConfigureAwait(false);
        }
        else if (!prefill.IsCompleted)
        {
            _ = EndPrefillInTimeAsync(prefill);
        }
        return verdict;
    }

    /// <summary>
    /// Decode has all of the KV: a prefill that does not end its answer by now does nothing for the request any more.
    /// </summary>
    private async Task EndPrefillInTimeAsync(Task prefill)
    {
        await prefill.WaitAsync(_owner.Options.PrefillDrain, _owner.Clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _prefillStop.Cancel();
    }

    /// <summary>
    /// Whether the engine may still work on a leg that has ended for us: it was cut, or it ended in a way that says nothing of
    /// the request itself, or it is a batch, of which one failed prompt ends the call while the others run on unseen (protocol
    /// §1.2).
    /// </summary>
    private bool MayRunOn(LegEnd end) =>
        end.Kind is LegEndKind.Cancelled or LegEndKind.Broken or LegEndKind.Stale or LegEndKind.Malformed or LegEndKind.Truncated
        || (_call.Items > 1 && end.IsFailure && end.Kind is not (LegEndKind.Unreachable or LegEndKind.ClientError));

    /// <summary>Tells the client of a failure that will not be retried, in the engine's own words where it had some.</summary>
    public ValueTask AnswerFailureAsync(CancellationToken clientGone)
    {
        var verdict = CurrentVerdict!;
        // A limit may run out while the end of a good stream is on its way: the client has all of it, and nothing comes behind
        // the end.
        if (verdict.IsSuccess || clientGone.IsCancellationRequested || _endWasRelayed)
        {
            return ValueTask.CompletedTask;
        }
        if (_errorWasRelayed)
        {
            // The engine has told of its failure itself, and has gone away before it ended the stream.
            return _sink.WriteAsync(EndOfStream, clientGone);
        }
        if (_hasStarted || _journal is { HasBegun: true })
        {
            return _sink.FailAsync(new AnswerError(verdict.Status, verdict.Reason, verdict.Message), clientGone);
        }
        var reply = ReplyOf(verdict);
        return reply is { IsJson: true }
            ? _sink.AnswerAsync(
                new AnswerHead(reply.Status, reply.ContentType, RetryAfter: reply.RetryAfter), reply.Body, clientGone)
            : _sink.RefuseAsync(new AnswerError(verdict.Status, verdict.Reason, verdict.Message, reply?.RetryAfter), clientGone);
    }

    /// <summary>
    /// Whether the failed attempt's engine has asked for a pause that a further attempt on the same engine must keep.
    /// </summary>
    public bool MustWaitFor(PairLease next, out TimeSpan wait)
    {
        wait = default;
        var verdict = CurrentVerdict!;
        var (asked, chosen) = verdict.Side == LegSide.Prefill ? (_lease.Prefill, next.Prefill) : (_lease.Decode, next.Decode);
        if (ReplyOf(verdict)?.RetryAfter is { } pause && asked?.Id == chosen?.Id)
        {
            wait = pause - _owner.Clock.GetElapsedTime(_report.DecodeEndedAt);
        }
        return wait > TimeSpan.Zero;
    }

    private void ReportDecodeEnded()
    {
        TaskCompletionSource? waits;
        lock (_gate)
        {
            _hasDecodeEnded = true;
            waits = _decodeEnded;
        }
        waits?.TrySetResult();
    }

    private Task WhenDecodeEnded()
    {
        lock (_gate)
        {
            return _hasDecodeEnded ? Task.CompletedTask
                : (_decodeEnded ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    private EngineReply? ReplyOf(Verdict verdict) => verdict.Side switch
    {
        LegSide.Prefill => _prefillReply,
        LegSide.Decode => _decodeReply,
        _ => null,
    };

    /// <summary>
    /// Feeds the state and carries out what it asks for. Called from either leg, the client's token and the clock.
    /// </summary>
    private DispatchActions Raise(DispatchEvent e)
    {
        DispatchActions actions;
        lock (_gate)
        {
            _state = _state.On(e, out actions);
        }
        // Outside of the lock: cancelling runs the other leg's continuation.
        if ((actions & DispatchActions.CancelPrefill) != 0)
        {
            _prefillStop.Cancel();
        }
        if ((actions & DispatchActions.CancelDecode) != 0)
        {
            _decodeStop.Cancel();
        }
        if ((actions & (DispatchActions.Commit | DispatchActions.Decided)) != 0)
        {
            _settled?.TrySetResult();
        }
        return actions;
    }

    /// <summary>
    /// A limit may have run out. Before the first output it is that one's; afterwards the request's own or the longest silence,
    /// which is measured here alone: an event of the stream costs no timer.
    /// </summary>
    public void OnLimit()
    {
        var left = Left(out var stalled);
        if (left <= TimeSpan.Zero)
        {
            Raise(stalled ? DispatchEvent.Stalled : DispatchEvent.OutOfTime);
            return;
        }
        _limit!.Set(this, left);
    }

    /// <summary>Until the next limit, if nothing comes.</summary>
    private TimeSpan Left(out bool stalled)
    {
        stalled = false;
        var left = _owner.TimeLeft(_request);
        var firstOutput = _report.FirstOutputAt;
        if (firstOutput == 0)
        {
            var first = _owner.Options.FirstOutputTimeout - _owner.Clock.GetElapsedTime(_report.SentAt);
            return first < left ? first : left;
        }
        var idle = _owner.Options.StreamIdleTimeout;
        if (left > TimeSpan.Zero && idle > TimeSpan.Zero)
        {
            var quiet = idle - _owner.Clock.GetElapsedTime(Math.Max(_lease.LastProgress, firstOutput));
            stalled = quiet <= TimeSpan.Zero;
            return quiet < left ? quiet : left;
        }
        return left;
    }

    /// <summary>Aborts on one engine, and waits for it no longer than the limit: capacity is not held for a slow abort.</summary>
    private async Task AbortAsync(WorkerSnapshot worker, TimeSpan after = default)
    {
        var rids = _report.Rids;
        if (after > TimeSpan.Zero && !_ridsAreOurs)
        {
            // By then the client may have used its id again.
            return;
        }
        if (!_ridsAreOurs && !rids.All(rid => _owner.LiveRids.IsSafeToAbort(rid, _owner.Rids.Prefix)))
        {
            // Another live id begins with this one and would be aborted too; the closed connection has to do.
            return;
        }
        var abort = _owner.Aborter.AbortAsync(worker, rids, mayRepeat: _ridsAreOurs, after);
        await abort.WaitAsync(_owner.Options.AbortWait, _owner.Clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private string[] MintRids()
    {
        var rids = new string[_call.Items];
        for (var i = 0; i < rids.Length; i++)
        {
            rids[i] = _owner.Rids.Next();
        }
        return rids;
    }

    private UpstreamRequest RequestFor(WorkerSnapshot worker, SplicedBody body, Activity? span) => new()
    {
        Engine = worker.Url,
        Path = _call.Path,
        Body = new UpstreamBody(body),
        ApiKey = worker.ApiKey,
        Authorization = _call.Authorization,
        Headers = LegSpan.Headers(_call.Trace, span, _call.Headers),
    };

    private SplicedBody BodyFor(in LegTarget target)
    {
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
}
