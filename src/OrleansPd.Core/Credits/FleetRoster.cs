namespace OrleansPd.Core.Credits;

/// <summary>A pool at one version, as its grain reported it.</summary>
/// <param name="Epoch">Grows with each activation of its grain.</param>
/// <param name="Version">Grows with each change within an epoch.</param>
/// <param name="TargetSize">Its target size.</param>
/// <param name="IsBlank">Storage has nothing of it: it is new, or its record is lost.</param>
/// <param name="Workers">The newest report of each member.</param>
public sealed record PoolState(
    string Key, long Epoch, long Version, TargetSize TargetSize, bool IsBlank, ImmutableArray<WorkerReport> Workers);

/// <summary>
/// The newest state of all pools, and whether it may be published. Storage can lose everything or a part of it; gateways that
/// still know more would then replace their knowledge by less. So nothing is published before every pool has reported, and a
/// pool without a record is awaited until gateways restore it or <c>timeout</c> is over. Not thread-safe.
/// </summary>
/// <param name="timeout">Long enough for every gateway to send what it knows.</param>
public sealed class FleetRoster(TimeSpan timeout)
{
    /// <summary>Maximum of pools, because operators may name any model.</summary>
    public const int MaxPools = 1024;

    private readonly Dictionary<string, PoolState> _pools = [];
    private readonly Dictionary<string, DateTimeOffset> _blankSince = [];
    private readonly HashSet<string> _reported = [];
    private DateTimeOffset _learnsUntil;

    /// <summary>Pools that have reported.</summary>
    public IEnumerable<PoolState> Pools => _pools.Values;

    public ImmutableArray<WorkerReport> Workers => [.. _pools.Values.SelectMany(p => p.Workers)];

    /// <summary>
    /// Storage has nothing of the fleet: it is new, or everything is lost. Gateways report first what they know.
    /// </summary>
    public void BeginLearning(DateTimeOffset now) => _learnsUntil = now + timeout;

    /// <summary>
    /// Whether gateways may still know more than storage; until then nothing is published and no prefix is assigned.
    /// </summary>
    public bool IsLearning(DateTimeOffset now) => now < _learnsUntil;

    /// <summary>A gateway has sent what it knows. When all living gateways have, learning ends.</summary>
    public void GatewayReported(string gateway, IEnumerable<string> living)
    {
        ArgumentNullException.ThrowIfNull(living);
        _reported.Add(gateway);
        if (living.All(_reported.Contains))
            _learnsUntil = default;
    }

    /// <summary>Applies the report of a pool.</summary>
    /// <returns>Whether anything changed.</returns>
    public bool Apply(PoolState pool, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var known = _pools.GetValueOrDefault(pool.Key);
        if (pool.IsBlank
            && (known is { Workers.IsEmpty: false } or { TargetSize.At: > 0 } || (known is null && IsAwaited(pool.Key, now))))
        {
            return false;
        }
        _blankSince.Remove(pool.Key);
        if (known is not null && (pool.Epoch, pool.Version).CompareTo((known.Epoch, known.Version)) <= 0)
            return false;
        // A pool grain that was just activated knows less of its members than was reported before.
        var before = known?.Workers.ToDictionary(w => w.Id) ?? [];
        _pools[pool.Key] = pool with
        {
            TargetSize = known is not null && known.TargetSize.At > pool.TargetSize.At ? known.TargetSize : pool.TargetSize,
            Workers = [.. pool.Workers.Select(w => before.TryGetValue(w.Id, out var old) && old.IsNewerThan(w) ? old : w)],
        };
        return true;
    }

    public bool HasReported(string pool) => _pools.ContainsKey(pool);

    /// <summary>Whether all of these pools have reported.</summary>
    public bool HaveReported(IEnumerable<string> pools) => pools.All(_pools.ContainsKey);

    /// <summary>Whether a pool has no record and is awaited.</summary>
    public bool IsBlank(string pool) => _blankSince.ContainsKey(pool);

    /// <summary>The newest known target size of a pool.</summary>
    public TargetSize TargetOf(string pool) => _pools.TryGetValue(pool, out var known) ? known.TargetSize : default;

    /// <summary>The target sizes that are newer than those known here; none while learning.</summary>
    public IEnumerable<(string Pool, TargetSize TargetSize)> Newer(
        IEnumerable<(string Pool, TargetSize TargetSize)> remembered, DateTimeOffset now) =>
        IsLearning(now) ? [] : remembered.Where(r => r.TargetSize.At > TargetOf(r.Pool).At);

    /// <summary>The newest known reports of a pool's workers.</summary>
    public ImmutableArray<WorkerReport> ReportsOf(string pool) => _pools.TryGetValue(pool, out var known) ? known.Workers : [];

    private bool IsAwaited(string pool, DateTimeOffset now)
    {
        if (!_blankSince.TryGetValue(pool, out var since))
            _blankSince[pool] = since = now;
        return now - since < timeout;
    }
}
