using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Load;

/// <summary>
/// Load of all ranks in one array, indexed by slot and rank. It outlives the sets that are chosen from: a worker that changes
/// its phase or its group keeps what is in flight on it.
/// </summary>
/// <param name="leased">Windows are credits that somebody grants; else they are what the engines told.</param>
internal sealed class LoadTable(bool leased = false)
{
    private RankLoad[] _cells = new RankLoad[16];
    private int _stride = 1;
    private int[] _inFlight = new int[16];

    /// <summary>Items in flight on all ranks of a worker.</summary>
    public int InFlight(int slot) => slot < _inFlight.Length ? _inFlight[slot] : 0;

    public ref RankLoad At(int slot, int rank) => ref _cells[(slot * _stride) + rank];

    public void Add(int slot, int rank, int items, long tokens)
    {
        ref var cell = ref At(slot, rank);
        cell.Running += items;
        cell.Tokens += tokens;
        cell.Peak = Math.Max(cell.Peak, cell.Running);
        _inFlight[slot] += items;
    }

    /// <summary>Makes room for a worker; what is there stays.</summary>
    public void Reserve(int slot, int ranks)
    {
        var stride = Math.Max(_stride, ranks);
        var slots = Math.Max(_inFlight.Length, slot + 1);
        if (stride == _stride && slots == _inFlight.Length)
        {
            return;
        }
        slots = slots == _inFlight.Length ? slots : Math.Max(slots, _inFlight.Length * 2);
        var cells = new RankLoad[slots * stride];
        for (var s = 0; s < _inFlight.Length; s++)
        {
            Array.Copy(_cells, s * _stride, cells, s * stride, _stride);
        }
        Array.Resize(ref _inFlight, slots);
        _cells = cells;
        _stride = stride;
    }

    /// <summary>Takes what the engine told of a rank.</summary>
    public void Read(int slot, int rank, in RankReading reading, DateTimeOffset now)
    {
        ref var cell = ref At(slot, rank);
        // Its figures may still contain requests of ours that have ended since: the most we had lately is what is ours.
        cell.Seen = cell.Seen.Read(reading, Math.Max(cell.Running, Math.Max(cell.Peak, cell.PeakBefore)), now);
        (cell.PeakBefore, cell.Peak) = (cell.Peak, cell.Running);
        _ = Fade(slot, rank, now);
    }

    /// <summary>Brings what is reckoned of others up to date; true when it changed.</summary>
    public bool Fade(int slot, int rank, DateTimeOffset now)
    {
        ref var cell = ref At(slot, rank);
        var (foreign, tokens) = (cell.Seen.At(now), cell.Seen.At(now) * cell.Seen.TokensEach);
        var changed = (cell.Foreign, cell.ForeignTokens) != (foreign, tokens);
        (cell.Foreign, cell.ForeignTokens) = (foreign, tokens);
        return changed;
    }

    /// <summary>The slot is another's now.</summary>
    public void Forget(int slot)
    {
        for (var rank = 0; rank < _stride && slot < _inFlight.Length; rank++)
        {
            ref var cell = ref At(slot, rank);
            (cell.Seen, cell.Foreign, cell.ForeignTokens, cell.Peak, cell.PeakBefore) = (default, 0, 0, cell.Running, 0);
            (cell.Others, cell.OthersTokens) = (0, 0);
        }
    }

    /// <summary>Sets what the ranks of a worker may hold, from what its engine told.</summary>
    public void SetLimits(WorkerSnapshot worker, int ranks, ControlPlaneOptions options)
    {
        Reserve(worker.Slot, ranks);
        var share = ranks < worker.DpSize ? worker.DpSize : 1; // the engine spreads over its ranks: one cell stands for all
        for (var rank = 0; rank < ranks; rank++)
        {
            ref var cell = ref At(worker.Slot, rank);
            var tokens = worker.Role == WorkerRole.Prefill ? options.MaxPrefillTokensPerRank : worker.Facts.TokenCapacityPerRank;
            cell.MaxTokens = tokens * share ?? long.MaxValue;
            if (!leased)
            {
                cell.Window = (int)Math.Min(int.MaxValue, (long)Window(worker, options) * share);
                cell.Largest = cell.Window;
            }
        }
    }

    /// <summary>Sets what we may have on a rank, and what others have there.</summary>
    public void Lease(int slot, int rank, int window, int largest, int others, long othersTokens)
    {
        ref var cell = ref At(slot, rank);
        (cell.Window, cell.Largest, cell.Others, cell.OthersTokens) = (window, largest, others, othersTokens);
    }

    /// <summary>Most we had on a rank since the last call.</summary>
    public int TakePeak(int slot, int rank)
    {
        ref var cell = ref At(slot, rank);
        var peak = cell.Peak;
        cell.Peak = cell.Running;
        return peak;
    }

    /// <summary>Items that one rank of a worker may hold.</summary>
    public static int Window(WorkerSnapshot worker, ControlPlaneOptions options)
    {
        var running = worker.Facts.MaxRunningPerRank;
        if (worker.Role == WorkerRole.Prefill)
        {
            return options.MaxPrefillRequestsPerRank ?? (running is { } r ? (int)Math.Min(int.MaxValue, 2L * r) : 1024);
        }
        var slots = worker.Facts.SlotsPerRank ?? running ?? options.UnknownDecodeSlots;
        return options.MaxRunningPerDecodeRank ?? (int)Math.Clamp(slots * options.DecodeSlotFactor, 1, int.MaxValue);
    }
}
