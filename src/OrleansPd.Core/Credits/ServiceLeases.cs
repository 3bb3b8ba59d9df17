namespace OrleansPd.Core.Credits;

/// <summary>A lease of a service, and its legs that have not ended.</summary>
public sealed record ServiceLease(PairLease Lease, DateTimeOffset Until, ImmutableArray<LegSide> Left)
{
    public IEnumerable<WorkerSnapshot> Workers => Lease.Prefill is { } prefill ? [prefill, Lease.Decode] : [Lease.Decode];
}

/// <summary>
/// The leases of one service at a silo. Each is valid for <c>validFor</c> after its last renewal; each leg ends once, however
/// often that is reported. Not thread-safe.
/// </summary>
public sealed class ServiceLeases(TimeSpan validFor)
{
    private readonly Dictionary<long, ServiceLease> _held = [];

    /// <summary>Leases with a running leg.</summary>
    public int Count => _held.Count;

    public void Add(PairLease lease, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(lease);
        _held[lease.Id] = new(lease, now + validFor, lease.IsRegular ? [LegSide.Decode] : [LegSide.Prefill, LegSide.Decode]);
    }

    /// <summary>Renews a lease and stores its request ids.</summary>
    public void Renew(long lease, ImmutableArray<string> rids, DateTimeOffset now)
    {
        if (_held.TryGetValue(lease, out var held))
        {
            held.Lease.Rids = rids;
            _held[lease] = held with { Until = now + validFor };
        }
    }

    /// <returns>The lease; null if this leg had ended before.</returns>
    public PairLease? Ended(long lease, LegSide side)
    {
        if (!_held.TryGetValue(lease, out var held) || !held.Left.Contains(side))
            return null;
        var left = held.Left.Remove(side);
        if (left.IsEmpty)
            _held.Remove(lease);
        else
            _held[lease] = held with { Left = left };
        return held.Lease;
    }

    /// <summary>Removes the expired leases.</summary>
    public ImmutableArray<ServiceLease> TakeOverdue(DateTimeOffset now) => Take(held => now >= held.Until);

    public ImmutableArray<ServiceLease> TakeAll() => Take(_ => true);

    private ImmutableArray<ServiceLease> Take(Func<ServiceLease, bool> which)
    {
        ImmutableArray<ServiceLease> taken = [.. _held.Values.Where(which)];
        foreach (var held in taken)
            _held.Remove(held.Lease.Id);
        return taken;
    }
}
