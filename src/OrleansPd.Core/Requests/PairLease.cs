namespace OrleansPd.Core.Requests;

/// <summary>
/// One admitted attempt: a pair, its ranks and its rooms. Held until both legs have ended. The control plane sets
/// the fields before it hands out the lease; only <see cref="Progressed"/> and <see cref="Rids"/> change afterwards.
/// </summary>
public class PairLease
{
    private long _lastProgress;

    /// <summary>Unique in this process.</summary>
    public required long Id { get; init; }

    /// <summary>Null for a request to a regular worker.</summary>
    public WorkerSnapshot? Prefill { get; init; }

    /// <summary>The decode worker, or the regular worker.</summary>
    public required WorkerSnapshot Decode { get; init; }

    /// <summary>Data-parallel rank on the prefill worker; 0 where it has one rank.</summary>
    public int PrefillRank { get; init; }

    public int DecodeRank { get; init; }

    /// <summary>Room of each item, each fresh, in [1, 2^63-1]; empty for a regular worker.</summary>
    public required ReadOnlyMemory<long> Rooms { get; init; }

    /// <summary>Members of the prefill leg.</summary>
    public LegTarget PrefillTarget { get; init; }

    /// <summary>Members of the decode leg.</summary>
    public LegTarget DecodeTarget { get; init; }

    /// <summary>Why this pair, in numbers.</summary>
    public RouteExplanation RouteExplanation { get; init; }

    /// <summary>
    /// Why this pair, for <c>/debug/requests</c>: made of <see cref="RouteExplanation"/> on demand. Null when nothing was
    /// recorded.
    /// </summary>
    public string? Why { get => field ?? (RouteExplanation.IsNone ? null : RouteExplanation.ToString()); init; }

    public bool IsRegular => Prefill is null;
    public long Room => Rooms.Length > 0 ? Rooms.Span[0] : 0;

    /// <summary>When an event of either leg was last seen, as a <c>TimeProvider</c> timestamp; 0 = none yet.</summary>
    public long LastProgress => Volatile.Read(ref _lastProgress);

    /// <summary>Ids of the items at the engines; set by the dispatcher when it sends them. Empty before.</summary>
    public IReadOnlyList<string> Rids { get; set; } = [];

    /// <summary>
    /// Called for each event of a leg; the age of the last progress finds engines that hang although /health is good.
    /// </summary>
    public void Progressed(long timestamp) => Volatile.Write(ref _lastProgress, timestamp);
}

/// <summary>The members that are spliced into one leg's body.</summary>
/// <param name="BootstrapHost">Host of the prefill's bootstrap server (IPv6 in brackets); null = send no bootstrap member
/// (regular worker).</param>
/// <param name="BootstrapPort">Its port; null = JSON null, the engine's own flag applies.</param>
/// <param name="RoutedDpRank">Rank that runs this leg; null = not sent, the engine chooses.</param>
/// <param name="DisaggPrefillDpRank">Rank that owns the KV on the prefill; null = not sent.</param>
public readonly record struct LegTarget(string? BootstrapHost, int? BootstrapPort, int? RoutedDpRank, int? DisaggPrefillDpRank);
