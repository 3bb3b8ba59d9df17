using System.Collections.Immutable;

namespace OrleansPd.Core.Credits;

/// <summary>A pool at one moment, as its single writer told of it.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Epoch">Grows with each life of its writer.</param>
/// <param name="Version">Grows with each change within a life.</param>
/// <param name="Wanted">How many workers it should have.</param>
/// <param name="IsBlank">Nothing is stored of it: it is new, or what was stored is lost.</param>
/// <param name="Workers">The newest report of each member.</param>
public sealed record PoolState(
    string Key, long Epoch, long Version, TargetSize Wanted, bool IsBlank, ImmutableArray<WorkerReport> Workers);

/// <summary>
/// All pools as they last told of themselves, and whether that may be told on. Storage can lose everything or a part of it; a
/// fleet told too early would then be taken for the truth by those that still know better. So nothing is told while a pool has
/// not spoken, and a pool that has nothing stored is waited for, until somebody gives back what it had or <c>patience</c> is
/// over. One writer; knows no time.
/// </summary>
/// <param name="patience">Long enough for every gateway to say what it remembers.</param>
public sealed class FleetRoster(TimeSpan patience)
{
    /// <summary>Most pools of a fleet: operators may name models at will.</summary>
    public const int MostPools = 1024;

    private readonly Dictionary<string, PoolState> _pools = [];
    private readonly Dictionary<string, DateTimeOffset> _blankSince = [];
    private readonly HashSet<string> _heard = [];
    private DateTimeOffset _learnsUntil;

    /// <summary>Pools that have spoken.</summary>
    public IEnumerable<PoolState> Pools => _pools.Values;

    /// <summary>Their workers.</summary>
    public ImmutableArray<WorkerReport> Workers => [.. _pools.Values.SelectMany(p => p.Workers)];

    /// <summary>Nothing was stored of the whole fleet: it is new, or all is lost. Gateways are asked first.</summary>
    public void BeginLearning(DateTimeOffset now) => _learnsUntil = now + patience;

    /// <summary>
    /// Whether gateways may still remember what the fleet does not know; until then nothing is told and no prefix given.
    /// </summary>
    public bool IsLearning(DateTimeOffset now) => now < _learnsUntil;

    /// <summary>A gateway has said what it remembers. When all that live have, there is nothing more to learn.</summary>
    public void Heard(string gateway, IEnumerable<string> living)
    {
        ArgumentNullException.ThrowIfNull(living);
        _heard.Add(gateway);
        if (living.All(_heard.Contains))
        {
            _learnsUntil = default;
        }
    }

    /// <summary>Takes what a pool tells.</summary>
    /// <returns>Whether it is news.</returns>
    public bool Take(PoolState pool, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var known = _pools.GetValueOrDefault(pool.Key);
        if (pool.IsBlank
            && (known is { Workers.IsEmpty: false } or { Wanted.At: > 0 } || (known is null && IsAwaited(pool.Key, now))))
        {
            return false;
        }
        _blankSince.Remove(pool.Key);
        if (known is not null && (pool.Epoch, pool.Version).CompareTo((known.Epoch, known.Version)) <= 0)
        {
            return false;
        }
        // A pool that was just started knows less of its members than was told before.
        var before = known?.Workers.ToDictionary(w => w.Id) ?? [];
        _pools[pool.Key] = pool with
        {
            Wanted = known is not null && known.Wanted.At > pool.Wanted.At ? known.Wanted : pool.Wanted,
            Workers = [.. pool.Workers.Select(w => before.TryGetValue(w.Id, out var old) && old.IsNewerThan(w) ? old : w)],
        };
        return true;
    }

    /// <summary>Whether a pool has spoken.</summary>
    public bool HasSpoken(string pool) => _pools.ContainsKey(pool);

    /// <summary>Whether all of these pools have spoken.</summary>
    public bool HaveSpoken(IEnumerable<string> pools) => pools.All(_pools.ContainsKey);

    /// <summary>Whether a pool has nothing stored and is waited for.</summary>
    public bool IsBlank(string pool) => _blankSince.ContainsKey(pool);

    /// <summary>What is known here of how many workers a pool should have.</summary>
    public TargetSize TargetOf(string pool) => _pools.TryGetValue(pool, out var known) ? known.Wanted : default;

    /// <summary>Those of somebody's memory that are newer than what is known here, unless it is too early to say.</summary>
    public IEnumerable<(string Pool, TargetSize Wanted)> Newer(
        IEnumerable<(string Pool, TargetSize Wanted)> remembered, DateTimeOffset now) =>
        IsLearning(now) ? [] : remembered.Where(r => r.Wanted.At > TargetOf(r.Pool).At);

    /// <summary>What is remembered here of a pool.</summary>
    public ImmutableArray<WorkerReport> Remembered(string pool) => _pools.TryGetValue(pool, out var known) ? known.Workers : [];

    private bool IsAwaited(string pool, DateTimeOffset now)
    {
        if (!_blankSince.TryGetValue(pool, out var since))
        {
            _blankSince[pool] = since = now;
        }
        return now - since < patience;
    }
}
