namespace OrleansPd.Core.Load;

/// <summary>
/// The ranks of one role in one transfer group, as the policies see them: leaf i is one (worker, rank). The ranks of a worker are
/// adjacent. Unusable workers keep their leaves, closed, so that a short fault changes no other leaf.
/// </summary>
internal sealed class RankSet
{
    // A score is load, then priority, then the turn of the leaf: equally loaded ranks are used in rotation.
    private const int TurnBits = 24;

    // With FewRanks or more equally loaded ranks, one rank gets several requests in a row before the next: a rank used rarely
    // loses its warm connection and caches. Ranks with a prefix cache rotate sooner, so that all caches are filled; decode
    // engines without one rotate late.
    private const int FewRanks = 64;
    private const int RanksPerUse = 8;
    private const int MaxUses = 64;
    private const int TokensPerUse = 512;
    private const int UsesWithoutCache = 1 << 14;
    private const long SuspectLoad = 1 << 30;
    private const long MaxLoad = (1L << 31) - 1;

    private readonly LoadTable _loads;
    private readonly RankTree _tree;
    private readonly int[] _slots;
    private readonly int[] _ranks;
    private readonly int[] _turns;
    private readonly (int Uses, long Tokens)[] _used;
    private readonly int _usesPerTurn;
    private readonly int[] _firstLeaf;
    private readonly WorkerSnapshot?[] _workers;
    private readonly AdapterHolders _adapters;
    private int _turn;

    public RankSet(WorkerRole role, IReadOnlyList<WorkerSnapshot> workers, Func<WorkerSnapshot, int> ranksOf, LoadTable loads)
    {
        Role = role;
        _loads = loads;
        _adapters = new AdapterHolders(this);
        Count = workers.Sum(ranksOf);
        _slots = new int[Count];
        _ranks = new int[Count];
        _turns = new int[Count];
        _used = new (int, long)[Count];
        _usesPerTurn = Count < FewRanks ? 1 : Math.Min(Count / RanksPerUse, MaxUses);
        var slots = workers.Count == 0 ? 0 : workers.Max(w => w.Slot) + 1;
        _firstLeaf = new int[slots];
        _workers = new WorkerSnapshot?[slots];
        Array.Fill(_firstLeaf, -1);
        _tree = new RankTree(Count);
        var leaf = 0;
        foreach (var worker in workers)
        {
            _firstLeaf[worker.Slot] = leaf;
            _workers[worker.Slot] = worker;
            for (var rank = 0; rank < ranksOf(worker); rank++, leaf++)
            {
                _slots[leaf] = worker.Slot;
                _ranks[leaf] = rank;
            }
        }
        for (leaf = 0; leaf < Count; leaf++)
            Rescore(leaf);
    }

    public WorkerRole Role { get; }
    public int Count { get; }

    /// <summary>Workers by slot; null if the slot belongs to no worker of this set.</summary>
    public ReadOnlySpan<WorkerSnapshot?> Workers => _workers;

    public int Slot(int leaf) => _slots[leaf];

    public int Rank(int leaf) => _ranks[leaf];

    public WorkerSnapshot Worker(int leaf) => _workers[_slots[leaf]]!;

    public ref readonly RankLoad Load(int leaf) => ref _loads.At(_slots[leaf], _ranks[leaf]);

    public bool Has(int slot) => (uint)slot < (uint)_firstLeaf.Length && _firstLeaf[slot] >= 0;

    public (int From, int To) Leaves(int slot)
    {
        var from = _firstLeaf[slot];
        var to = from;
        while (to < Count && _slots[to] == slot)
            to++;
        return (from, to);
    }

    /// <summary>The leaf of a worker's rank; -1 = not in this set.</summary>
    public int Leaf(int slot, int rank) =>
        Has(slot) && _firstLeaf[slot] + rank < Count && _slots[_firstLeaf[slot] + rank] == slot ? _firstLeaf[slot] + rank : -1;

    /// <summary>True when the rank is usable and has room for these items.</summary>
    public bool Fits(int leaf, int items, long tokens) => Worker(leaf).IsPairable && Load(leaf).Fits(items, tokens);

    /// <summary>
    /// Load of a rank in tokens; each item on a decode rank adds the 512 tokens that SGLang reserves for its answer.
    /// </summary>
    public long Weight(int leaf)
    {
        ref readonly var load = ref Load(leaf);
        return load.Tokens + load.ForeignTokens + load.OthersTokens
            + (Role == WorkerRole.Prefill ? 0 : (load.Running + load.Foreign + load.Others) * 512L);
    }

    /// <summary>Whether a worker of this set has the adapters; null = none is needed.</summary>
    public bool Has(int slot, string? adapters) => adapters is null || _adapters.Of(adapters)[slot];

    public bool AnyHas(string adapters) => _adapters.Of(adapters).Contains(true);

    /// <summary>
    /// The least loaded rank with room; a rank of <paramref name="avoidSlot"/> only if there is no other. -1 = none.
    /// </summary>
    public int Least(int items, long tokens, int avoidSlot, string? adapters = null)
    {
        if (adapters is not null)
            return LeastOf(items, tokens, avoidSlot, _adapters.Of(adapters));
        var (from, to) = Has(avoidSlot) ? Leaves(avoidSlot) : (0, 0);
        var best = to > from ? _tree.ArgminExcept(from, to) : _tree.Argmin();
        if (best < 0 || !Fits(best, items, tokens))
        {
            // The least loaded rank may lack room for a batch or a long prompt that another rank has.
            best = _tree.ArgminWithRoom(items, tokens, from, to);
        }
        return best >= 0 || to == from ? best : _tree.ArgminWithRoom(items, tokens, 0, 0);
    }

    public void Rescore(int leaf)
    {
        var worker = Worker(leaf);
        if (!worker.IsPairable || !Load(leaf).Fits(1, 0))
        {
            _tree.Set(leaf, RankTree.Closed, 0, 0);
            return;
        }
        var load = Weight(leaf) + (worker.Phase == WorkerPhase.Suspect ? SuspectLoad : 0);
        var score = (Math.Clamp(load, 0, MaxLoad) << (TurnBits + 8))
            | ((long)(255 - Math.Clamp(worker.Priority, 0, 255)) << TurnBits)
            | (long)_turns[leaf];
        var (items, tokens) = Load(leaf).Room;
        _tree.Set(leaf, score, items, tokens);
    }

    /// <summary>Counts a use of a rank; after enough of them the next of the equally loaded ranks is used.</summary>
    /// <param name="tokens">Tokens of the request.</param>
    /// <param name="hasPrefixCache">Whether its engine keeps a prefix cache.</param>
    public void CountUse(int leaf, long tokens, bool hasPrefixCache = true)
    {
        ref var used = ref _used[leaf];
        used = (used.Uses + 1, used.Tokens + tokens);
        var max = hasPrefixCache || _usesPerTurn == 1 ? _usesPerTurn : UsesWithoutCache;
        if (used.Uses >= max || used.Tokens >= (long)max * TokensPerUse)
        {
            used = default;
            _turn = (_turn + 1) & ((1 << TurnBits) - 1);
            _turns[leaf] = _turn;
        }
        Rescore(leaf);
    }

    /// <summary>Applies a new snapshot of a worker; its ranks are the same.</summary>
    public void Refresh(WorkerSnapshot worker)
    {
        if (_workers[worker.Slot]!.Facts.AdapterNames != worker.Facts.AdapterNames)
            _adapters.Clear();
        _workers[worker.Slot] = worker;
        var (from, to) = Leaves(worker.Slot);
        for (var leaf = from; leaf < to; leaf++)
            Rescore(leaf);
    }

    /// <summary>The same among the workers of some slots; scans all leaves, because the tree has no subsets.</summary>
    private int LeastOf(int items, long tokens, int avoidSlot, bool[] slots)
    {
        var (best, avoided) = (-1, -1);
        for (var leaf = 0; leaf < Count; leaf++)
        {
            if (!slots[_slots[leaf]] || !Fits(leaf, items, tokens))
                continue;
            ref var least = ref _slots[leaf] == avoidSlot ? ref avoided : ref best;
            least = least < 0 || _tree[leaf] < _tree[least] ? leaf : least;
        }
        return best >= 0 ? best : avoided;
    }
}
