namespace OrleansPd.Core.Load;

/// <summary>
/// Statistics of KV transfers, by link: one prefill worker and one decode worker. One failed transfer does not show which side
/// caused it, but several do. A worker is at fault if its transfers fail with most of its partners, and these partners succeed with
/// others. A link is at fault if it keeps failing and neither of its workers is: then pairs avoid it. Workers are named by their
/// slots.
/// </summary>
internal sealed class TransferLinks
{
    /// <summary>Failures of a worker before it can be found at fault.</summary>
    public const int MinFailures = 3;

    /// <summary>Consecutive failures after which a link is avoided.</summary>
    public const int MaxStrikes = 2;

    // Counts are halved after this time, so a figure is at most two such times old.
    private static readonly TimeSpan HalfLife = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MaxPause = TimeSpan.FromMinutes(10);

    // Bounds memory where a large fleet is counted; further links are not counted until some are forgotten.
    private const int MaxLinks = 1 << 16;

    // A worker whose failure rate is below this is not at fault, whatever its partners' rates are.
    private const double MinRate = 0.2;

    // A worker at fault fails with three quarters of its partners, or with so many where there are more.
    private const int ManyPartners = 8;

    // The partners of a worker at fault fail at most this much as often with others as it does.
    private const double MaxPartnerShare = 0.25;

    private readonly Dictionary<(int Prefill, int Decode), Link> _links = [];
    private readonly Dictionary<(LegSide Side, int Slot), Counts> _workers = [];
    private readonly HashSet<(int Prefill, int Decode)> _failing = [];
    private readonly List<(int Prefill, int Decode)> _scratch = [];
    private DateTimeOffset _halvedAt;
    private DateTimeOffset _lastTick;

    /// <summary>Whether some link is avoided. False in a healthy fleet, where nothing is counted either.</summary>
    public bool AnyAvoided { get; private set; }

    public IEnumerable<(int Prefill, int Decode)> Avoided => _failing.Where(key => _links[key].IsAvoided);

    /// <summary>Records the end of a transfer.</summary>
    /// <param name="prefill">The prefill worker's slot.</param>
    /// <param name="decode">The decode worker's slot.</param>
    /// <param name="decodes">Decode workers that the prefill worker can be paired with.</param>
    /// <param name="prefills">Prefill workers that the decode worker can be paired with.</param>
    /// <param name="good">Whether the KV arrived.</param>
    /// <returns>The side whose worker is at fault for this failure, and how many failures are charged to it with this call: more
    /// than one when the worker is found at fault, 1 for each failure after that. Side null: nothing is charged.</returns>
    public (LegSide? Side, int Failures) Record(int prefill, int decode, int decodes, int prefills, bool good, DateTimeOffset now)
    {
        if (good && _failing.Count == 0)
        {
            return default; // costs nothing while no transfer fails
        }
        var key = (prefill, decode);
        if (!_links.TryGetValue(key, out var link))
        {
            if (_links.Count >= MaxLinks)
                return default;
            _links[key] = link = new Link();
            Worker(LegSide.Prefill, prefill).Partners++;
            Worker(LegSide.Decode, decode).Partners++;
        }
        _halvedAt = _failing.Count == 0 ? now : _halvedAt;
        var (a, b) = (Worker(LegSide.Prefill, prefill), Worker(LegSide.Decode, decode));
        if (good)
        {
            (link.Good, a.Good, b.Good) = (link.Good + 1, a.Good + 1, b.Good + 1);
            link.Succeeded();
            return default;
        }
        (link.Bad, a.Bad, b.Bad) = (link.Bad + 1, a.Bad + 1, b.Bad + 1);
        _failing.Add(key);
        var side = IsAtFault(LegSide.Prefill, prefill, decodes, a) ? LegSide.Prefill
            : IsAtFault(LegSide.Decode, decode, prefills, b) ? (LegSide?)LegSide.Decode : null;
        if (side is { } culprit)
        {
            var counts = culprit == LegSide.Prefill ? a : b;
            var charged = counts.Bad - counts.Charged;
            counts.Charged = counts.Bad;
            return (culprit, charged);
        }
        if (link.Failed(now))
            AnyAvoided = true;
        return default;
    }

    /// <summary>Whether a pair should not use this link while it can use another.</summary>
    public bool Avoids(int prefill, int decode) =>
        AnyAvoided && _links.TryGetValue((prefill, decode), out var link) && link is { IsAvoided: true, MayBeTried: false };

    /// <summary>A pair uses this link: if it was due for another attempt, this is the attempt.</summary>
    public void Picked(int prefill, int decode)
    {
        if (AnyAvoided && _links.TryGetValue((prefill, decode), out var link) && link.MayBeTried)
        {
            link.MayBeTried = false;
            link.AvoidUntil = _lastTick + FirstPause; // if its outcome never comes
        }
    }

    /// <summary>The slot has a new worker, or its worker a new process: forget its transfers.</summary>
    public void Reset(int slot)
    {
        if (_failing.Count == 0)
            return;
        _scratch.AddRange(_links.Keys.Where(key => key.Prefill == slot || key.Decode == slot));
        Forget();
    }

    /// <summary>To be called about once a second.</summary>
    public void Tick(DateTimeOffset now)
    {
        _lastTick = now;
        if (_failing.Count == 0)
            return;
        foreach (var key in _failing)
        {
            var link = _links[key];
            link.MayBeTried |= link.IsAvoided && now >= link.AvoidUntil;
        }
        if (now - _halvedAt < HalfLife)
            return;
        _halvedAt = now;
        foreach (var (key, link) in _links)
        {
            (link.Good, link.Bad) = (link.Good / 2, link.Bad / 2);
            if (link is { Bad: 0, IsAvoided: false })
                _failing.Remove(key);
        }
        if (_failing.Count == 0)
            _scratch.AddRange(_links.Keys);
        Forget();
        Recount();
    }

    private Counts Worker(LegSide side, int slot)
    {
        if (!_workers.TryGetValue((side, slot), out var counts))
            _workers[(side, slot)] = counts = new Counts();
        return counts;
    }

    private bool IsAtFault(LegSide side, int slot, int available, Counts own)
    {
        var rate = own.Bad / (double)(own.Bad + own.Good);
        if (own.Bad < MinFailures || rate < MinRate)
            return false;
        var (failing, bad, good) = (0, 0, 0);
        foreach (var key in _failing)
        {
            if ((side == LegSide.Prefill ? key.Prefill : key.Decode) != slot || _links[key] is not { Bad: > 0 } link)
                continue;
            var partner = side == LegSide.Prefill ? Worker(LegSide.Decode, key.Decode) : Worker(LegSide.Prefill, key.Prefill);
            (failing, bad, good) = (failing + 1, bad + partner.Bad - link.Bad, good + partner.Good - link.Good);
        }
        if (failing < 2 || failing < Math.Min(ManyPartners, available * 3 / 4.0) || failing < 3 * (own.Partners - failing))
            return false;
        // Partners that had no other partner prove nothing; then every transfer of the worker must have failed.
        return bad + good == 0 ? own.Good == 0 : bad / (double)(bad + good) <= MaxPartnerShare * rate;
    }

    private void Forget()
    {
        foreach (var key in _scratch)
        {
            _links.Remove(key);
            _failing.Remove(key);
        }
        if (_scratch.Count > 0)
        {
            _scratch.Clear();
            Recount();
        }
        AnyAvoided = _failing.Any(key => _links[key].IsAvoided);
    }

    private void Recount()
    {
        var charged = _workers.Where(w => w.Value.Charged > 0).ToDictionary(w => w.Key, w => w.Value.Charged);
        _workers.Clear();
        foreach (var (key, link) in _links)
        {
            Worker(LegSide.Prefill, key.Prefill).Add(link);
            Worker(LegSide.Decode, key.Decode).Add(link);
        }
        foreach (var (key, worker) in _workers)
            worker.Charged = Math.Min(worker.Bad, charged.GetValueOrDefault(key));
    }

    private sealed class Counts
    {
        public int Good { get; set; }

        public int Bad { get; set; }

        /// <summary>Links with any transfer.</summary>
        public int Partners { get; set; }

        /// <summary>Failures that have been charged to the worker.</summary>
        public int Charged { get; set; }

        public void Add(Link link) => (Good, Bad, Partners) = (Good + link.Good, Bad + link.Bad, Partners + 1);
    }

    private sealed class Link
    {
        private TimeSpan _pause;
        private int _strikes;

        public int Good { get; set; }

        public int Bad { get; set; }

        public DateTimeOffset AvoidUntil { get; set; }

        public bool IsAvoided { get; private set; }

        /// <summary>Avoided long enough: one pair may use it to see whether it works again.</summary>
        public bool MayBeTried { get; set; }

        public void Succeeded() => (_strikes, _pause, IsAvoided, MayBeTried) = (0, default, false, false);

        public bool Failed(DateTimeOffset now)
        {
            if (++_strikes >= MaxStrikes && (!IsAvoided || now >= AvoidUntil - FirstPause))
            {
                _pause = _pause == default ? FirstPause : TimeSpan.FromTicks(Math.Min(_pause.Ticks * 2, MaxPause.Ticks));
                (IsAvoided, MayBeTried, AvoidUntil) = (true, false, now + _pause);
            }
            return IsAvoided;
        }
    }
}
