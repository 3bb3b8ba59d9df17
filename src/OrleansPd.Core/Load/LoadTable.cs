namespace OrleansPd.Core.Load;

/// <summary>
/// Load of all ranks in one array, indexed by slot and rank. It outlives the rank sets: a worker that changes its phase or group
/// keeps its load.
/// </summary>
/// <param name="usesCredits">Capacity is the credits granted to this gateway; else it is what the engines report.</param>
internal sealed class LoadTable(bool usesCredits = false)
{
    private RankLoad[] _loads = new RankLoad[16];
    private int _stride = 1;
    private int[] _inFlight = new int[16];

    public int InFlight(int slot) => slot < _inFlight.Length ? _inFlight[slot] : 0;

    public ref RankLoad At(int slot, int rank) => ref _loads[(slot * _stride) + rank];

    public void Add(int slot, int rank, int items, long tokens)
    {
        ref var load = ref At(slot, rank);
        load.Running += items;
        load.Tokens += tokens;
        load.Peak = Math.Max(load.Peak, load.Running);
        _inFlight[slot] += items;
    }

    public void Reserve(int slot, int ranks)
    {
        var stride = Math.Max(_stride, ranks);
        var slots = Math.Max(_inFlight.Length, slot + 1);
        if (stride == _stride && slots == _inFlight.Length)
            return;
        slots = slots == _inFlight.Length ? slots : Math.Max(slots, _inFlight.Length * 2);
        var loads = new RankLoad[slots * stride];
        for (var s = 0; s < _inFlight.Length; s++)
            Array.Copy(_loads, s * _stride, loads, s * stride, _stride);
        Array.Resize(ref _inFlight, slots);
        _loads = loads;
        _stride = stride;
    }

    public void Read(int slot, int rank, in RankReading reading, DateTimeOffset now)
    {
        ref var load = ref At(slot, rank);
        // The report may still contain requests of ours that have ended since: our recent maximum is counted as ours.
        load.Seen = load.Seen.Read(reading, Math.Max(load.Running, Math.Max(load.Peak, load.PeakBefore)), now);
        (load.PeakBefore, load.Peak) = (load.Peak, load.Running);
        _ = Fade(slot, rank, now);
    }

    /// <summary>Updates the load of other clients; true when it changed.</summary>
    public bool Fade(int slot, int rank, DateTimeOffset now)
    {
        ref var load = ref At(slot, rank);
        var (foreign, tokens) = (load.Seen.At(now), load.Seen.At(now) * load.Seen.TokensEach);
        var changed = (load.Foreign, load.ForeignTokens) != (foreign, tokens);
        (load.Foreign, load.ForeignTokens) = (foreign, tokens);
        return changed;
    }

    /// <summary>The slot has a new worker, or its worker a new process; items in flight stay.</summary>
    public void Reset(int slot)
    {
        for (var rank = 0; rank < _stride && slot < _inFlight.Length; rank++)
        {
            ref var load = ref At(slot, rank);
            (load.Seen, load.Foreign, load.ForeignTokens, load.Peak, load.PeakBefore) = (default, 0, 0, load.Running, 0);
            (load.Others, load.OthersTokens) = (0, 0);
        }
    }

    /// <summary>Sets the capacity of a worker's ranks from its facts.</summary>
    public void SetLimits(WorkerSnapshot worker, int ranks, ControlPlaneOptions options)
    {
        Reserve(worker.Slot, ranks);
        var share = ranks < worker.DpSize ? worker.DpSize : 1; // the engine chooses the rank: one entry stands for all
        for (var rank = 0; rank < ranks; rank++)
        {
            ref var load = ref At(worker.Slot, rank);
            var tokens = worker.Role == WorkerRole.Prefill ? options.MaxPrefillTokensPerRank : worker.Facts.TokenCapacityPerRank;
            load.MaxTokens = tokens * share ?? long.MaxValue;
            if (!usesCredits)
            {
                load.Capacity = (int)Math.Min(int.MaxValue, (long)CapacityOf(worker, options) * share);
                load.MaxItems = load.Capacity;
            }
        }
    }

    /// <summary>Sets the credits this gateway has for a rank, and the load of other gateways there.</summary>
    public void SetCredits(int slot, int rank, int credits, int largest, int others, long othersTokens)
    {
        ref var load = ref At(slot, rank);
        (load.Capacity, load.MaxItems, load.Others, load.OthersTokens) = (credits, largest, others, othersTokens);
    }

    /// <summary>Maximum items of ours on a rank since the last call.</summary>
    public int TakePeak(int slot, int rank)
    {
        ref var load = ref At(slot, rank);
        var peak = load.Peak;
        load.Peak = load.Running;
        return peak;
    }

    /// <summary>Items that one rank of a worker can hold.</summary>
    public static int CapacityOf(WorkerSnapshot worker, ControlPlaneOptions options)
    {
        var running = worker.Facts.MaxRunningPerRank;
        if (worker.Role == WorkerRole.Prefill)
            return options.MaxPrefillRequestsPerRank ?? (running is { } r ? (int)Math.Min(int.MaxValue, 2L * r) : 1024);
        var slots = worker.Facts.SlotsPerRank ?? running ?? options.UnknownDecodeSlots;
        return options.MaxRunningPerDecodeRank ?? (int)Math.Clamp(slots * options.DecodeSlotFactor, 1, int.MaxValue);
    }
}
