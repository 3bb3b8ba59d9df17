namespace OrleansPd.Simulator;

/// <summary>Where a request stands inside an engine.</summary>
internal enum Stage
{
    None,
    Bootstrap,
    Waiting,
    Forward,
    Inflight,
    Prealloc,
    Transfer,
    DecodeWaiting,
    Running,
}

/// <summary>The counters of one rank.</summary>
public sealed class RankStats
{
    private readonly int[] _stages = new int[Enum.GetValues<Stage>().Length];
    private long _liveKvTokens;
    private int _occupied;
    private int _maxRunning;
    private int _maxOccupied;
    private long _cacheHitTokens;
    private long _promptTokens;

    /// <summary>In a forward pass or in the decode batch.</summary>
    public int Running => At(Stage.Forward) + At(Stage.Running);

    /// <summary>In the waiting queue: before the forward pass, or with complete KV while the batch is full.</summary>
    public int Waiting => At(Stage.Waiting) + At(Stage.DecodeWaiting);

    public int BootstrapQueue => At(Stage.Bootstrap);
    public int InflightQueue => At(Stage.Inflight);
    public int PreallocQueue => At(Stage.Prealloc);
    public int TransferQueue => At(Stage.Transfer);

    /// <summary>Request slots held: from the reservation of KV memory to the end of the answer.</summary>
    public int Occupied => Volatile.Read(ref _occupied);

    /// <summary>Maximum number of requests in the decode batch so far.</summary>
    public int MaxRunningSeen => Volatile.Read(ref _maxRunning);

    /// <summary>Maximum number of occupied request slots so far.</summary>
    public int MaxOccupiedSeen => Volatile.Read(ref _maxOccupied);

    public long LiveKvTokens => Volatile.Read(ref _liveKvTokens);
    public long CacheHitTokens => Volatile.Read(ref _cacheHitTokens);
    public long PromptTokens => Volatile.Read(ref _promptTokens);

    internal long GeneratedTokens;

    internal long PrefillUncachedTokens;

    internal int At(Stage stage) => Volatile.Read(ref _stages[(int)stage]);

    internal void Move(Stage from, Stage to)
    {
        Interlocked.Decrement(ref _stages[(int)from]);
        var now = Interlocked.Increment(ref _stages[(int)to]);
        if (to == Stage.Running)
            Raise(ref _maxRunning, now);
    }

    internal void Occupy(int slots, int tokens)
    {
        Raise(ref _maxOccupied, Interlocked.Add(ref _occupied, slots));
        Interlocked.Add(ref _liveKvTokens, tokens);
    }

    internal void Grow(int tokens) => Interlocked.Add(ref _liveKvTokens, tokens);

    internal void CountPrompt(int tokens, int cached)
    {
        Interlocked.Add(ref _promptTokens, tokens);
        Interlocked.Add(ref _cacheHitTokens, cached);
    }

    private static void Raise(ref int maximum, int value)
    {
        int seen;
        while (value > (seen = Volatile.Read(ref maximum)) && Interlocked.CompareExchange(ref maximum, value, seen) != seen)
        {
        }
    }
}

/// <summary>Counters of one epoch of an engine. All members may be read at any time.</summary>
public sealed class EngineStats
{
    private const int MaxKept = 1000;

    private readonly ConcurrentQueue<string> _routerErrors = new();
    private readonly ConcurrentQueue<string> _controlCalls = new();
    private int _infoCalls;
    private int _routerErrorCount;
    private long _requests;
    private long _completed;
    private long _aborted;
    private long _failed;
    private int _live;
    private int _duplicateRooms;

    internal EngineStats(int ranks) => Ranks = [.. Enumerable.Range(0, ranks).Select(_ => new RankStats())];

    public IReadOnlyList<RankStats> Ranks { get; }
    public int Running => Ranks.Sum(rank => rank.Running);
    public int Waiting => Ranks.Sum(rank => rank.Waiting);
    public int BootstrapQueue => Ranks.Sum(rank => rank.BootstrapQueue);
    public int InflightQueue => Ranks.Sum(rank => rank.InflightQueue);
    public int PreallocQueue => Ranks.Sum(rank => rank.PreallocQueue);
    public int TransferQueue => Ranks.Sum(rank => rank.TransferQueue);
    public int Occupied => Ranks.Sum(rank => rank.Occupied);
    public long LiveKvTokens => Ranks.Sum(rank => rank.LiveKvTokens);
    public long CacheHitTokens => Ranks.Sum(rank => rank.CacheHitTokens);
    public long PromptTokens => Ranks.Sum(rank => rank.PromptTokens);

    /// <summary>Requests (items of a batch counted singly) that reached a rank.</summary>
    public long RequestsTotal => Volatile.Read(ref _requests);

    public long CompletedTotal => Volatile.Read(ref _completed);
    public long AbortedTotal => Volatile.Read(ref _aborted);
    public long FailedTotal => Volatile.Read(ref _failed);

    /// <summary>Requests inside the engine now.</summary>
    public int LiveRequests => Volatile.Read(ref _live);

    /// <summary>Requests whose room another request had used before.</summary>
    public int DuplicateRooms => Volatile.Read(ref _duplicateRooms);

    /// <summary>Errors that only a router can cause, as text; the newest 1000.</summary>
    public IReadOnlyList<string> RouterErrors => [.. _routerErrors];

    /// <summary>Paths of control calls and other calls that are no generation, in order; the newest 1000.</summary>
    public IReadOnlyList<string> ControlCalls => [.. _controlCalls];

    internal void AddControlCall(string path)
    {
        _controlCalls.Enqueue(path);
        if (_controlCalls.Count > MaxKept)
            _controlCalls.TryDequeue(out _);
    }

    /// <summary>Calls of <c>/server_info</c> so far.</summary>
    public int InfoCalls => Volatile.Read(ref _infoCalls);

    internal void AskedForInfo() => Interlocked.Increment(ref _infoCalls);

    public int RouterErrorCount => Volatile.Read(ref _routerErrorCount);

    internal void AddRouterError(string text)
    {
        Interlocked.Increment(ref _routerErrorCount);
        _routerErrors.Enqueue(text);
        if (_routerErrors.Count > MaxKept)
            _routerErrors.TryDequeue(out _);
    }

    internal void AddDuplicateRoom(long room)
    {
        Interlocked.Increment(ref _duplicateRooms);
        AddRouterError($"room {room} used twice");
    }

    internal void Arrived()
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Increment(ref _live);
    }

    internal void Left(Finish finish)
    {
        Interlocked.Decrement(ref _live);
        if (finish.Type != "abort")
            Interlocked.Increment(ref _completed);
        else if (finish.Status is null || finish.Message!.EndsWith(SimRequest.AbortedByRequest, StringComparison.Ordinal))
            Interlocked.Increment(ref _aborted);
        else
            Interlocked.Increment(ref _failed);
    }
}
