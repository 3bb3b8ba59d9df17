namespace OrleansPd.Core.Credits;

/// <summary>
/// Credits of all gateways on one worker. On each rank the sum of credits never exceeds the capacity: a gateway returns credits
/// before others get them, and those of a dead gateway stay taken until its requests are gone from the engine. Not thread-safe.
/// </summary>
public sealed class CreditLedger
{
    private readonly CreditLimits _limits;
    private readonly List<Holder> _holders = [];
    private DateTimeOffset? _learnUntil;
    private int[] _capacity = [];
    private int[] _foreign = [];
    private long[] _foreignTokens = [];

    /// <param name="id">Higher than of all former activations of this worker's grain.</param>
    /// <param name="limits">How long credits are valid.</param>
    /// <param name="learn">False only if no gateway can hold credits: the worker is new.</param>
    public CreditLedger(long id, CreditLimits limits, bool learn, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(limits);
        Id = id;
        _limits = limits;
        _learnUntil = learn ? now + limits.Learn : null;
    }

    public long Id { get; }

    /// <summary>Number of known ranks.</summary>
    public int Ranks => _capacity.Length;

    /// <summary>Gateways that hold or may hold credits.</summary>
    public IEnumerable<string> Gateways => _holders.Select(h => h.Gateway);

    public bool IsLearning(DateTimeOffset now) => _learnUntil is { } until && now < until;

    /// <summary>Requests of a dead gateway are being aborted.</summary>
    public bool IsClearing => _holders.Any(h => h.IsLeaving);

    /// <summary>Requests in flight of all gateways, as reported.</summary>
    public int Running => _holders.Sum(h => h.Running.Sum());

    /// <summary>Credits of all gateways on all ranks.</summary>
    public int Held => Enumerable.Range(0, Ranks).Sum(rank => _holders.Sum(h => h.HeldOn(rank)));

    /// <summary>Requests in flight on one rank, as reported.</summary>
    public int RunningOn(int rank) => _holders.Sum(h => rank < h.Running.Length ? h.Running[rank] : 0);

    /// <summary>Tokens in flight on one rank, as reported.</summary>
    public long TokensOn(int rank) => _holders.Sum(h => rank < h.Tokens.Length ? h.Tokens[rank] : 0);

    /// <summary>Requests on a rank that do not come from our gateways.</summary>
    public int Foreign(int rank) => rank < _foreign.Length ? _foreign[rank] : 0;

    /// <summary>
    /// Maximum in flight on a rank since the last call: an engine's report can contain so many of our requests.
    /// </summary>
    public int TakePeak(int rank)
    {
        var peak = 0;
        foreach (var holder in _holders)
        {
            if (rank < holder.Running.Length)
            {
                peak += Math.Max(holder.Peak[rank], holder.Running[rank]);
                holder.Peak[rank] = holder.Running[rank];
            }
        }
        return peak;
    }

    /// <summary>Sets the capacity of each rank. A lower one does not affect requests in flight.</summary>
    public void SetCapacity(ReadOnlySpan<int> slots)
    {
        if (slots.Length != _capacity.Length)
        {
            _capacity = new int[slots.Length];
            Array.Resize(ref _foreign, slots.Length);
            Array.Resize(ref _foreignTokens, slots.Length);
        }
        slots.CopyTo(_capacity);
    }

    /// <summary>Sets the foreign load of a rank. At least one slot stays usable.</summary>
    public void SetForeign(int rank, int requests, long tokens)
    {
        if (rank < _foreign.Length)
            (_foreign[rank], _foreignTokens[rank]) = (requests, tokens);
    }

    /// <summary>All gateways that may hold credits of a former activation have reported, or are dead.</summary>
    public void EndLearning() => _learnUntil = null;

    /// <returns>Null when a later claim of the same gateway came first, or the gateway is being removed.</returns>
    public CreditGrant? Sync(CreditClaim claim, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(claim);
        var holder = _holders.Find(h => h.Gateway == claim.Gateway);
        if (holder is null)
            _holders.Add(holder = new Holder(claim.Gateway));
        if (holder.IsLeaving || claim.Sequence <= holder.Sequence)
            return null;
        if (claim.IsLeaving)
        {
            Remove(claim.Gateway);
            return new CreditGrant { Ledger = Id, ValidFor = TimeSpan.Zero };
        }
        holder.Apply(claim, now, _capacity.Length);
        var grants = ImmutableArray.CreateBuilder<RankGrant>(_capacity.Length);
        var tight = false;
        for (var rank = 0; rank < _capacity.Length; rank++)
            grants.Add(Grant(holder, rank, now, ref tight));
        return new CreditGrant { Ledger = Id, ValidFor = _limits.ValidFor, Ranks = grants.MoveToImmutable(), IsTight = tight };
    }

    /// <summary>The gateways whose credits have expired.</summary>
    public ImmutableArray<string> Overdue(DateTimeOffset now) =>
        [.. _holders.Where(h => !h.IsLeaving && now - h.Seen > _limits.ValidFor).Select(h => h.Gateway)];

    /// <summary>A gateway is dead: it gets no more credits. Those it held stay taken until <see cref="Remove"/>.</summary>
    /// <returns>False when it is unknown or already leaving.</returns>
    public bool BeginClearing(string gateway)
    {
        if (_holders.Find(h => h.Gateway == gateway) is not { IsLeaving: false } holder)
            return false;
        holder.IsLeaving = true;
        return true;
    }

    /// <summary>No request of a gateway is on the engine any more: frees its credits.</summary>
    public void Remove(string gateway) => _holders.RemoveAll(h => h.Gateway == gateway);

    /// <summary>Items that gateways may have on a rank: its capacity less the foreign load.</summary>
    public int Slots(int rank) => Math.Max(Math.Min(1, _capacity[rank]), _capacity[rank] - _foreign[rank]);

    private RankGrant Grant(Holder holder, int rank, DateTimeOffset now, ref bool tight)
    {
        var all = Slots(rank);
        var (heldByOthers, runningByOthers, wanted, tokensOfOthers) = (0, 0, 0, 0L);
        Span<int> needs = stackalloc int[Math.Min(_holders.Count, 64)];
        var (count, at) = (0, -1);
        foreach (var other in _holders)
        {
            if (other != holder)
            {
                heldByOthers += other.HeldOn(rank);
                runningByOthers += rank < other.Running.Length ? other.Running[rank] : 0;
                tokensOfOthers += rank < other.Running.Length ? other.Tokens[rank] : 0;
            }
            if (!other.IsLeaving && count < needs.Length)
            {
                at = other == holder ? count : at;
                needs[count++] = Math.Min(all, other.Need(rank));
                wanted += other.Need(rank);
            }
        }
        var leaving = _holders.Where(h => h.IsLeaving).Sum(h => h.HeldOn(rank));
        Span<int> shares = stackalloc int[count];
        Shares.Divide(all - leaving, needs[..count], shares, (int)(now.UtcTicks / _limits.Turn.Ticks % 1_000_003));
        var share = at < 0 ? 0 : shares[at]; // beyond 64 gateways the last ones wait until others leave
        var free = Math.Max(0, all - heldByOthers);
        var credits = IsLearning(now) ? Math.Min(holder.HeldOn(rank), Math.Max(free, holder.Running[rank]))
            : Math.Min(share, free);
        // The answer may be lost: a credit is free only when the gateway reports that it returned it.
        holder.Held[rank] = Math.Max(credits, holder.HeldOn(rank));
        tight |= wanted > all || _holders.Any(h => h.IsBrief && h != holder) || credits < Math.Min(all, holder.Need(rank));
        return new RankGrant(
            credits, Math.Max(Math.Min(1, all), all / Math.Max(1, count)), runningByOthers + _foreign[rank],
            tokensOfOthers + _foreignTokens[rank]);
    }

    private sealed class Holder(string gateway)
    {
        public string Gateway { get; } = gateway;

        public long Sequence { get; private set; }

        public DateTimeOffset Seen { get; private set; }

        public bool IsLeaving { get; set; }

        public bool IsBrief { get; private set; }

        public int[] Held { get; private set; } = [];

        public int[] Running { get; private set; } = [];

        public int[] Peak { get; private set; } = [];

        public long[] Tokens { get; private set; } = [];

        private int[] Waiting { get; set; } = [];

        public int HeldOn(int rank) => rank < Held.Length ? Math.Max(Held[rank], Running[rank]) : 0;

        public int Need(int rank) => rank < Running.Length ? (int)Math.Min(int.MaxValue, (long)Running[rank] + Waiting[rank]) : 0;

        public void Apply(CreditClaim claim, DateTimeOffset now, int ranks)
        {
            (Sequence, Seen, IsBrief) = (claim.Sequence, now, claim.IsBrief);
            var all = Math.Max(ranks, claim.Ranks.Length);
            var peak = Peak;
            (Held, Running, Waiting, Peak, Tokens) = (new int[all], new int[all], new int[all], new int[all], new long[all]);
            for (var rank = 0; rank < claim.Ranks.Length; rank++)
            {
                var reported = claim.Ranks[rank];
                (Held[rank], Running[rank], Waiting[rank], Tokens[rank]) = (
                    reported.Held, reported.Running, Math.Max(0, reported.Waiting), reported.Tokens);
                Peak[rank] = Math.Max(rank < peak.Length ? peak[rank] : 0, Math.Max(reported.Peak, reported.Running));
            }
        }
    }
}
