namespace OrleansPd.Core.Attempts;

/// <summary>What the caller has to do after a transition.</summary>
[Flags]
public enum DispatchActions
{
    None = 0,

    /// <summary>Start the client's answer; no retry is possible afterwards.</summary>
    Commit = 1,

    /// <summary>Abort the prefill leg by its rid, then close it.</summary>
    CancelPrefill = 2,

    /// <summary>Abort the decode leg by its rid, then close it.</summary>
    CancelDecode = 4,

    /// <summary>The verdict is final: answer, retry or end the stream.</summary>
    Decided = 8,
}

public enum DispatchEventKind
{
    /// <summary>The prefill leg ended, as in <see cref="DispatchEvent.End"/>.</summary>
    PrefillEnded,

    /// <summary>The first good event of the decode leg, or its complete good body, has arrived.</summary>
    DecodeOutput,

    /// <summary>The decode leg ended.</summary>
    DecodeEnded,

    /// <summary>The client closed its connection.</summary>
    ClientGone,

    /// <summary>A time limit of ours expired.</summary>
    OutOfTime,

    /// <summary>The decode stream was silent for too long.</summary>
    Stalled,

    /// <summary>The gateway stops and its grace period is over.</summary>
    ShuttingDown,
}

public readonly record struct DispatchEvent(DispatchEventKind Kind, LegEnd End = default)
{
    public static DispatchEvent PrefillEnded(LegEnd end) => new(DispatchEventKind.PrefillEnded, end);

    public static DispatchEvent DecodeEnded(LegEnd end) => new(DispatchEventKind.DecodeEnded, end);

    public static DispatchEvent DecodeOutput { get; } = new(DispatchEventKind.DecodeOutput);
    public static DispatchEvent ClientGone { get; } = new(DispatchEventKind.ClientGone);
    public static DispatchEvent OutOfTime { get; } = new(DispatchEventKind.OutOfTime);
    public static DispatchEvent Stalled { get; } = new(DispatchEventKind.Stalled);
    public static DispatchEvent ShuttingDown { get; } = new(DispatchEventKind.ShuttingDown);
}

/// <summary>
/// One attempt of one request on one pair, as a value. The two legs succeed or fail together:
/// <list type="number">
/// <item>both are sent at once;</item>
/// <item>the first failure before output decides the verdict and cancels the other leg;</item>
/// <item>decode's first good output commits, even while the prefill's answer is open (it is read to its end: closing it would
/// abort the request);</item>
/// <item>after that only decode, the client and time limits decide: a late prefill error does not reach the client;</item>
/// <item>an answer that needs both legs (input log probabilities) commits when both have succeeded.</item>
/// </list>
/// </summary>
public readonly record struct DispatchState
{
    private DispatchState(bool regular, bool needsPrefillAnswer, bool batch)
    {
        IsRegular = regular;
        IsBatch = batch;
        NeedsPrefillAnswer = needsPrefillAnswer && !regular;
        Prefill = regular ? LegEnd.Ok : default;
    }

    public bool IsRegular { get; private init; }
    public bool NeedsPrefillAnswer { get; private init; }

    /// <summary>Several prompts: output of one does not prove that the KV of the others has arrived.</summary>
    public bool IsBatch { get; private init; }

    public LegEnd Prefill { get; private init; }
    public LegEnd Decode { get; private init; }
    public bool HasOutput { get; private init; }
    public bool IsCommitted { get; private init; }

    /// <summary>Null until decided; final afterwards.</summary>
    public Verdict? Verdict { get; private init; }

    /// <summary>Whether both legs have ended: no engine works on the attempt any more.</summary>
    public bool IsClosed => !Prefill.IsOpen && !Decode.IsOpen;

    public static DispatchState Start(bool regular, bool needsPrefillAnswer, bool batch = false) =>
        new(regular, needsPrefillAnswer, batch);

    public DispatchState On(DispatchEvent e, out DispatchActions actions) => e.Kind switch
    {
        DispatchEventKind.PrefillEnded => OnPrefillEnded(e.End, out actions),
        DispatchEventKind.DecodeOutput => (this with { HasOutput = true }).CommitIfWhole(out actions),
        DispatchEventKind.DecodeEnded => OnDecodeEnded(e.End, out actions),
        DispatchEventKind.ClientGone => Decide(Verdict.ClientGone, out actions),
        DispatchEventKind.OutOfTime => Decide(Verdict.OutOfTime(HasOutput), out actions),
        DispatchEventKind.Stalled => Decide(Verdict.Stalled, out actions),
        DispatchEventKind.ShuttingDown => Decide(Verdict.ShuttingDown, out actions),
        _ => throw new ArgumentOutOfRangeException(nameof(e), e.Kind, "unknown event"),
    };

    private DispatchState OnPrefillEnded(LegEnd end, out DispatchActions actions)
    {
        actions = DispatchActions.None;
        if (!Prefill.IsOpen)
            return this;
        var next = this with { Prefill = end };
        if (end.IsOk)
            return next.CommitIfWhole(out actions);
        // Decode output proves that the KV has arrived, so a later prefill failure does not matter to the client, unless the
        // answer needs the prefill's part. In a batch it proves only the KV of one prompt: an engine that reports a failed prompt
        // has informed its partner, but one whose leg broke off has not, and decode would wait for the other prompts.
        var outranked = IsCommitted || (HasOutput && !NeedsPrefillAnswer);
        if (Verdict is not null || (outranked && !(IsBatch && end.BrokeOff)))
            return next;
        return next.Decide(Verdict.OfFailure(LegSide.Prefill, end, IsRegular), out actions);
    }

    private DispatchState OnDecodeEnded(LegEnd end, out DispatchActions actions)
    {
        actions = DispatchActions.None;
        if (!Decode.IsOpen)
            return this;
        var next = this with { Decode = end };
        if (end.IsOk)
            return (next with { HasOutput = true }).CommitIfWhole(out actions);
        return next.Decide(Verdict.OfFailure(LegSide.Decode, end, IsRegular), out actions);
    }

    private DispatchState CommitIfWhole(out DispatchActions actions)
    {
        actions = DispatchActions.None;
        if (Verdict is not null || !HasOutput || (NeedsPrefillAnswer && !Prefill.IsOk))
            return this;
        var next = this;
        if (!IsCommitted)
        {
            next = next with { IsCommitted = true };
            actions |= DispatchActions.Commit;
        }
        if (Decode.IsOk)
        {
            next = next with { Verdict = Verdict.Success };
            actions |= DispatchActions.Decided;
        }
        return next;
    }

    private DispatchState Decide(Verdict verdict, out DispatchActions actions)
    {
        actions = DispatchActions.None;
        if (Verdict is not null)
            return this;
        actions = DispatchActions.Decided
            | (Prefill.IsOpen ? DispatchActions.CancelPrefill : DispatchActions.None)
            | (Decode.IsOpen ? DispatchActions.CancelDecode : DispatchActions.None);
        return this with { Verdict = verdict };
    }
}
