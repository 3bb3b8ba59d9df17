namespace OrleansPd.Core.Routing;

/// <summary>
/// The fleet arranged for picking: pools by model, groups in pools, ranks in groups, and their load. Rebuilt when workers are
/// added or removed or change their facts; a change of phase only closes or opens ranks.
/// </summary>
internal sealed class PairCatalog(ControlPlaneOptions options, LoadTable loads)
{
    private readonly Dictionary<string, ModelPool> _pools = new(StringComparer.Ordinal);
    private RankSet?[] _sets = [];
    private FleetSnapshot _fleet = FleetSnapshot.Empty;

    public IReadOnlyCollection<ModelPool> Pools => _pools.Values;

    public RankSet? SetOf(int slot) => (uint)slot < (uint)_sets.Length ? _sets[slot] : null;

    public int Ranks(WorkerSnapshot worker) => options.DpRanks == DpRankMode.Engine ? 1 : worker.DpSize;

    public ref readonly RankLoad Load(int slot, int rank) => ref loads.At(slot, rank);

    public int InFlight(int slot) => loads.InFlight(slot);

    /// <summary>Adds items to a rank, or takes them away where they are negative.</summary>
    public void Add(int slot, int rank, int items, long tokens)
    {
        loads.Add(slot, rank, items, tokens);
        Rescore(slot, rank);
    }

    public void Read(WorkerSnapshot worker, EngineLoad load, DateTimeOffset now)
    {
        var ranks = KnownRanks(worker);
        for (var rank = 0; rank < ranks; rank++)
        {
            if (RankReadings.For(load.Ranks, rank, ranks) is { } reading)
            {
                loads.Read(worker.Slot, rank, reading, now);
                Rescore(worker.Slot, rank);
            }
        }
    }

    /// <inheritdoc cref="LoadTable.SetCredits"/>
    public void SetCredits(int slot, int rank, int credits, int largest, int others, long othersTokens)
    {
        loads.SetCredits(slot, rank, credits, largest, others, othersTokens);
        Rescore(slot, rank);
    }

    /// <inheritdoc cref="LoadTable.TakePeak"/>
    public int TakePeak(int slot, int rank) => loads.TakePeak(slot, rank);

    /// <summary>Lets the last reports of other clients' load on a worker fade.</summary>
    public void Fade(WorkerSnapshot worker, DateTimeOffset now)
    {
        for (var rank = 0; rank < KnownRanks(worker); rank++)
        {
            if (loads.Fade(worker.Slot, rank, now))
                Rescore(worker.Slot, rank);
        }
    }

    /// <inheritdoc cref="LoadTable.Reset"/>
    public void ResetLoad(int slot) => loads.Reset(slot);

    public ModelPool? Find(string? model, out Refusal? refusal)
    {
        refusal = null;
        if (model is null)
        {
            if (_pools.Count == 1)
            {
                foreach (var only in _pools.Values)
                    return only;
            }
            refusal = _pools.Count == 0
                ? ModelPool.Why(prefill: false, decode: false)
                : new(RefusalReason.UnknownModel, $"Name a model; served are {string.Join(", ", _fleet.Models)}.");
            return null;
        }
        // A LoRA adapter is named base:adapter and served by the workers of the base model.
        if (_pools.TryGetValue(model, out var pool)
            || (model.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && _pools.TryGetValue(model[..colon], out pool))
            || _pools.TryGetValue("", out pool))
        {
            return pool;
        }
        refusal = _fleet.Models.IsEmpty
            ? ModelPool.Why(prefill: false, decode: false)
            : new(RefusalReason.UnknownModel, $"No worker serves the model '{model}'.");
        return null;
    }

    public void Update(FleetSnapshot fleet)
    {
        var known = _fleet;
        _fleet = fleet;
        if (SameShape(known, fleet))
        {
            for (var i = 0; i < fleet.Workers.Length; i++)
            {
                if (!ReferenceEquals(known.Workers[i], fleet.Workers[i]))
                    SetOf(fleet.Workers[i].Slot)?.Refresh(fleet.Workers[i]);
            }
            return;
        }
        Rebuild();
    }

    private int KnownRanks(WorkerSnapshot worker) => SetOf(worker.Slot) is null ? 0 : Ranks(worker);

    private void Rescore(int slot, int rank)
    {
        if (SetOf(slot) is { } set && set.Leaf(slot, rank) is >= 0 and var leaf)
            set.Rescore(leaf);
    }

    private static bool SameShape(FleetSnapshot left, FleetSnapshot right)
    {
        if (left.Workers.Length != right.Workers.Length)
            return false;
        for (var i = 0; i < left.Workers.Length; i++)
        {
            var (l, r) = (left.Workers[i], right.Workers[i]);
            if (l.Id != r.Id || l.Slot != r.Slot || l.TransferGroup != r.TransferGroup || l.Model != r.Model
                || l.DpSize != r.DpSize || l.Facts.SlotsPerRank != r.Facts.SlotsPerRank
                || l.Facts.MaxRunningPerRank != r.Facts.MaxRunningPerRank
                || l.Facts.TokenCapacityPerRank != r.Facts.TokenCapacityPerRank
                || l.Role != r.Role || (l.Phase == WorkerPhase.Gone) != (r.Phase == WorkerPhase.Gone))
            {
                return false;
            }
        }
        return true;
    }

    private void Rebuild()
    {
        var workers = _fleet.Workers.Where(w => w.Phase != WorkerPhase.Gone).ToArray();
        _sets = new RankSet?[workers.Length == 0 ? 0 : workers.Max(w => w.Slot) + 1];
        foreach (var worker in workers)
            loads.SetLimits(worker, Ranks(worker), options);
        _pools.Clear();
        // Workers that have not reported their model belong to no pool, unless no worker has reported one.
        var anyReported = workers.Any(w => w.Model is not null);
        foreach (var ofModel in workers.Where(w => w.Model is not null || !anyReported).GroupBy(w => w.Model ?? ""))
            _pools.Add(ofModel.Key, Pool(ofModel.Key, [.. ofModel]));
    }

    private ModelPool Pool(string model, WorkerSnapshot[] workers)
    {
        var pool = new ModelPool(model);
        foreach (var group in workers.Where(w => w.Role != WorkerRole.Regular).GroupBy(w => w.TransferGroup))
        {
            var prefill = Set(WorkerRole.Prefill, group);
            var decode = Set(WorkerRole.Decode, group);
            pool.Groups.Add(new PairGroup(group.Key, model, prefill, decode));
            pool.MaxItems = Math.Max(pool.MaxItems, Math.Min(Widest(prefill), Widest(decode)));
        }
        var regular = Set(WorkerRole.Regular, workers);
        if (pool.Groups.Count == 0)
        {
            pool.Groups.Add(new PairGroup("regular", model, null, regular));
            pool.MaxItems = Widest(regular);
        }
        else if (regular.Count > 0)
        {
            pool.Regular = new PairGroup("regular", model, null, regular);
        }
        return pool;
    }

    private RankSet Set(WorkerRole role, IEnumerable<WorkerSnapshot> workers)
    {
        var set = new RankSet(role, [.. workers.Where(w => w.Role == role)], Ranks, loads);
        foreach (var worker in set.Workers)
        {
            if (worker is not null)
                _sets[worker.Slot] = set;
        }
        return set;
    }

    private static int Widest(RankSet set)
    {
        var widest = 0;
        for (var leaf = 0; leaf < set.Count; leaf++)
            widest = Math.Max(widest, set.Load(leaf).MaxItems);
        return widest;
    }
}
