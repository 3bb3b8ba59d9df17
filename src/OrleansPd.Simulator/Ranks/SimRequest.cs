using System.Threading.Channels;

namespace OrleansPd.Simulator.Ranks;

/// <summary>The members of a body that make a request one half of a pair.</summary>
internal sealed record PdFields(string? Host, int? Port, long? Room, int? RoutedRank, int? PrefillRank)
{
    /// <summary>The host that means "no transfer".</summary>
    public const string FakeHost = "2.2.2.2";

    public bool IsFake => Host == FakeHost;
}

internal sealed record LogprobSpec(bool Wanted, int StartLen, int Top, IReadOnlyList<int> TokenIds, bool WithText)
{
    public static readonly LogprobSpec None = new(false, -1, 0, [], false);
}

/// <summary>What one step of the engine yields for one request.</summary>
internal readonly record struct StepOut(TokenOut? Token, string Text, Finish? Finish);

/// <summary>A failure of the pair, reported to the client as status 500.</summary>
internal sealed class PdFailure(string detail) : Exception(detail);

/// <summary>One sequence inside an engine, from arrival to its end.</summary>
internal sealed class SimRequest(string rid, int[] tokens, Sampling sampling, PdFields pd, LogprobSpec logprobs)
{
    public const string AbortedByRequest = "Aborted by AbortReq.";

    private readonly CancellationTokenSource _cancel = new();
    private readonly Channel<StepOut> _output =
        Channel.CreateUnbounded<StepOut>(new UnboundedChannelOptions { SingleReader = true });

    private RankStats? _stats;
    private Stage _stage;
    private string? _cancelDetail;
    private int _ended;

    public string Rid => rid;
    public int[] Tokens => tokens;
    public Sampling Sampling => sampling;
    public PdFields Pd => pd;
    public LogprobSpec Logprobs => logprobs;
    public int Rank { get; set; }
    public int CachedTokens { get; set; }
    public int Retractions { get; set; }

    /// <summary>Separates the prefix caches of tenants.</summary>
    public ulong CacheSalt { get; init; }

    /// <summary>One of several samples in one room: they get into each other's way and none gets on.</summary>
    public bool Collides { get; init; }

    /// <summary>An error that only the scheduler finds: the handshake still takes place, then decode answers 400.</summary>
    public string? Rejection { get; init; }

    /// <summary>Tokens until a fault kills the engine; negative = no such fault.</summary>
    public int TokensToFault { get; set; } = -1;

    /// <summary>Tokens until the request is retracted; negative = never.</summary>
    public int TokensToRetract { get; set; } = -1;

    /// <summary>Tokens until memory runs out for it; negative = never.</summary>
    public int TokensToOutOfMemory { get; set; } = -1;

    public ChannelReader<StepOut> Output => _output.Reader;
    public CancellationToken Cancelled => _cancel.Token;

    /// <summary>Counts the request in the queues of its rank.</summary>
    public Stage Stage
    {
        get => _stage;
        set
        {
            _stats?.Move(_stage, value);
            _stage = value;
        }
    }

    public void Enter(int rank, RankStats stats)
    {
        Rank = rank;
        _stats = stats;
    }

    /// <summary>Ends the request from outside; what its caller reads depends on the queue it stands in.</summary>
    public void Cancel(string detail)
    {
        Interlocked.CompareExchange(ref _cancelDetail, detail, null);
        _cancel.Cancel();
    }

    public void Emit(TokenOut token, string text, Finish? finish) => _output.Writer.TryWrite(new StepOut(token, text, finish));

    public bool TryEnd(StepOut? last)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            return false;
        Stage = Stage.None;
        if (last is { } final)
            _output.Writer.TryWrite(final);
        _output.Writer.TryComplete();
        return true;
    }

    /// <summary>How a cancelled request ends, by the queue it stood in.</summary>
    public Finish CancelledFinish() => Stage switch
    {
        Stage.None or Stage.Waiting or Stage.DecodeWaiting => Finish.Abort("Abort in waiting queue"),
        Stage.Forward or Stage.Running => Finish.Abort("Aborted"),
        _ => FailedFinish(_cancelDetail ?? AbortedByRequest),
    };

    public Finish FailedFinish(string detail)
    {
        var what = Stage switch
        {
            Stage.Bootstrap => "Prefill bootstrap failed",
            Stage.Prealloc => "Decode handshake failed",
            Stage.Transfer => "Decode transfer failed",
            _ => "Prefill transfer failed",
        };
        return Finish.Abort(
            $"{what} for request rank=0 req.rid='{rid}' req.bootstrap_room={pd.Room} "
            + $"with exception KVTransferError(bootstrap_room={pd.Room}): {detail}",
            500);
    }

    /// <summary>Takes the faults that apply to this request while it runs on a rank.</summary>
    /// <returns>Delay before the engine starts again after this request kills it; null = no restart.</returns>
    public TimeSpan? TakeFaults(FaultControl faults, int rank)
    {
        TimeSpan? delay = null;
        if (faults.TryTake(FaultKind.Die, rank, Rid) is { } die)
        {
            TokensToFault = die.AfterTokens;
        }
        else if (faults.TryTake(FaultKind.Restart, rank, Rid) is { } restart)
        {
            TokensToFault = restart.AfterTokens;
            delay = restart.Delay ?? TimeSpan.Zero;
        }
        if (faults.TryTake(FaultKind.Retract, rank, Rid) is { } retract)
            TokensToRetract = Math.Max(1, retract.AfterTokens);
        if (faults.TryTake(FaultKind.OutOfMemory, rank, Rid) is { } memory)
            TokensToOutOfMemory = memory.AfterTokens;
        return delay;
    }
}
