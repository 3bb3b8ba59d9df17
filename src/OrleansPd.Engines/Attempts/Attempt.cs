namespace OrleansPd.Engines.Attempts;

/// <summary>
/// One attempt on one pair or regular worker: legs that report events to one <see cref="DispatchState"/> and carry out what it
/// decides. The decode leg runs in the request's own flow, the prefill leg beside it; the leg that raises the deciding event
/// carries out the consequences. The numbers in the code are the steps of <see cref="RequestDispatcher"/>.
/// <code>
///   RunAsync ─┬─ prefill leg (Attempt.Prefill.cs) ── PrefillEnded ─┐
///             └─ decode leg  (Attempt.Decode.cs)  ── DecodeOutput, DecodeEnded ─┤
///   client, clock ────────────────────────────────── ClientGone, OutOfTime ─────┴─► Raise ─► commit / cancel a leg / decided
/// </code>
/// </summary>
internal sealed partial class Attempt : ILimited
{
    private readonly DispatchServices _services;
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

    // Both are set only where the answer needs both legs. The decode leg waits for _settled until the state commits or decides;
    // the prefill leg fills _merger before it ends, and the decode leg reads it afterwards.
    private readonly TaskCompletionSource? _settled;
    private readonly LogprobMerger? _merger;

    // Created only when the prefill leg waits for it, which is rare.
    private TaskCompletionSource? _decodeEnded;
    private LimitTimer? _limit;
    private int _kvWaitIsMetered;
    private DispatchState _state;
    private EngineReply? _prefillReply;
    private EngineReply? _decodeReply;
    private Sent _sent;

    public Attempt(
        DispatchServices services, DispatchCall call, PairLease lease, DispatchReport request, IAnswerSink sink,
        StreamJournal? journal)
    {
        (_services, _call, _lease, _request, _sink, _journal) = (services, call, lease, request, sink, journal);
        var number = request.Attempts.Count;
        _ridsAreOurs = !call.IsOpaque && (number > 0 || call.ClientRids.Count == 0);
        _state = DispatchState.Start(lease.IsRegular, call.NeedsPrefillAnswer, call.Items > 1);
        _merger = _state.NeedsPrefillAnswer ? new() : null;
        _settled = _state.NeedsPrefillAnswer ? new(TaskCreationOptions.RunContinuationsAsynchronously) : null;
        _report = new AttemptReport
        {
            Lease = lease,
            Number = number,
            Rids = _ridsAreOurs ? MintRids() : [.. call.ClientRids],
            SentAt = services.Clock.GetTimestamp(),
        };
        lease.Rids = _report.Rids;
        request.Add(_report);
    }

    /// <summary>How much of an answer the client has been sent by this attempt. Only grows.</summary>
    private enum Sent
    {
        /// <summary>Nothing. The attempt may be committed already, and may still be decided otherwise.</summary>
        Nothing,

        Start,

        Error,

        End,
    }

    public AttemptReport Report => _report;

    public bool IsCommitted
    {
        get
        {
            lock (_gate)
                return _state.IsCommitted;
        }
    }

    private Verdict? CurrentVerdict
    {
        get
        {
            lock (_gate)
                return _state.Verdict;
        }
    }

    private TimeSpan Elapsed => _services.Clock.GetElapsedTime(_report.SentAt);

    /// <summary>
    /// Sends both legs and relays the answer. Ends when the decode leg has ended and, after a failure, the aborts were sent.
    /// </summary>
    public async Task<Verdict> RunAsync(CancellationToken clientGone)
    {
        // 5. Neither leg waits for the other.
        var prefill = Task.CompletedTask;
        if (!_lease.IsRegular)
        {
            _services.LegOpened(LegSide.Prefill);
            prefill = RunPrefillAsync();
        }
        _services.LegOpened(LegSide.Decode);
        _limit = _services.Limits.Rent(this);
        LegEnd end;
        try
        {
            _limit.Set(this, Left(out _));
            var watched = clientGone.UnsafeRegister(static state => ((Attempt)state!).Raise(DispatchEvent.ClientGone), this);
            var stopped = _services.Shutdown.Token.UnsafeRegister(
                static state => ((Attempt)state!).Raise(DispatchEvent.ShuttingDown), this);
            await using (watched.ConfigureAwait(false))
            await using (stopped.ConfigureAwait(false))
                end = await RunDecodeAsync().ConfigureAwait(false);
        }
        finally
        {
            _services.Limits.Return(_limit);
        }
        var verdict = CurrentVerdict!;
        _report.Verdict = verdict;
        _report.DecodeEndedAt = _services.Clock.GetTimestamp();
        // 8. Abort what the engines may still run.
        if (MayRunOn(end))
        {
            var mayBeInTransfer = _report.FirstOutputAt == 0 && !_lease.IsRegular;
            await AbortAsync(_lease.Decode, mayBeInTransfer ? _services.Options.DecodeAbortDelay : default).ConfigureAwait(false);
        }
        _services.LegClosed(_lease, LegSide.Decode, verdict.OutcomeOf(LegSide.Decode, end));
        if (!verdict.IsSuccess)
        {
            // The prefill is aborted before a retry is sent: the retry must not meet the attempt that it replaces.
            await prefill.ConfigureAwait(false);
        }
        else if (!prefill.IsCompleted)
        {
            _ = EndPrefillInTimeAsync(prefill);
        }
        return verdict;
    }

    /// <summary>
    /// Decode has all of the KV: a prefill that does not end its answer in time no longer works for the request.
    /// </summary>
    private async Task EndPrefillInTimeAsync(Task prefill)
    {
        await prefill.WaitAsync(_services.Options.PrefillDrain, _services.Clock)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _prefillStop.Cancel();
    }

    /// <summary>6. Reports an event to the state and carries out what it decides. Called by both legs, the client's token and the
    /// clock.</summary>
    private void Raise(DispatchEvent e)
    {
        DispatchActions actions;
        TaskCompletionSource? decodeEnded = null;
        lock (_gate)
        {
            _state = _state.On(e, out actions);
            if (e.Kind == DispatchEventKind.DecodeEnded)
                decodeEnded = _decodeEnded;
        }
        // Outside of the lock: cancelling runs the other leg's continuation.
        if ((actions & DispatchActions.CancelPrefill) != 0)
            _prefillStop.Cancel();
        if ((actions & DispatchActions.CancelDecode) != 0)
            _decodeStop.Cancel();
        if ((actions & (DispatchActions.Commit | DispatchActions.Decided)) != 0)
            _settled?.TrySetResult();
        decodeEnded?.TrySetResult();
    }

    private Task WhenDecodeEnded()
    {
        lock (_gate)
        {
            return _state.Decode.IsOpen
                ? (_decodeEnded ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task
                : Task.CompletedTask;
        }
    }

    private string[] MintRids()
    {
        var rids = new string[_call.Items];
        for (var i = 0; i < rids.Length; i++)
            rids[i] = _services.Rids.Next();
        return rids;
    }

    /// <summary>Records the delay from the prefill's end to decode's first event, once both are known.</summary>
    private void MeterKvWait()
    {
        var (prefill, decode) = (_report.PrefillEndedAt, _report.FirstOutputAt);
        if (prefill != 0 && decode != 0 && !_lease.IsRegular && Interlocked.Exchange(ref _kvWaitIsMetered, 1) == 0)
            _services.Meter.KvWaited(decode > prefill ? _services.Clock.GetElapsedTime(prefill, decode) : TimeSpan.Zero);
    }
}
