using System.Collections.Immutable;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Credits;

/// <summary>A lease that a service holds, and the legs of it that have not ended.</summary>
public sealed record ServiceLease(PairLease Lease, DateTimeOffset Until, ImmutableArray<LegSide> Left)
{
    /// <summary>The engines that may have something of it.</summary>
    public IEnumerable<WorkerSnapshot> Workers => Lease.Prefill is { } prefill ? [prefill, Lease.Decode] : [Lease.Decode];
}

/// <summary>
/// The leases that one service holds at a silo. Each is good for <c>validFor</c> from its last sign of life; each leg of it ends
/// once, whoever says so and however often. One writer; knows no time.
/// </summary>
public sealed class ServiceLeases(TimeSpan validFor)
{
    private readonly Dictionary<long, ServiceLease> _held = [];

    /// <summary>Leases of which a leg still runs.</summary>
    public int Count => _held.Count;

    public void Hold(PairLease lease, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(lease);
        _held[lease.Id] = new(lease, now + validFor, lease.IsRegular ? [LegSide.Decode] : [LegSide.Prefill, LegSide.Decode]);
    }

    /// <summary>The service lives, and says by which ids the engines know the lease's requests.</summary>
    public void SharedTick(long lease, ImmutableArray<string> rids, DateTimeOffset now)
    {
        if (_held.TryGetValue(lease, out var held))
        {
            held.Lease.Rids = rids;
            _held[lease] = held with { Until = now + validFor };
        }
    }

    /// <returns>The lease, if this leg of it had not ended before.</returns>
    public PairLease? Ended(long lease, LegSide side)
    {
        if (!_held.TryGetValue(lease, out var held) || !held.Left.Contains(side))
        {
            return null;
        }
        var left = held.Left.Remove(side);
        if (left.IsEmpty)
        {
            _held.Remove(lease);
        }
        else
        {
            _held[lease] = held with { Left = left };
        }
        return held.Lease;
    }

    /// <summary>Takes out those of which nothing was heard for too long.</summary>
    public ImmutableArray<ServiceLease> TakeOverdue(DateTimeOffset now) => Take(held => now >= held.Until);

    public ImmutableArray<ServiceLease> TakeAll() => Take(_ => true);

    private ImmutableArray<ServiceLease> Take(Func<ServiceLease, bool> which)
    {
        ImmutableArray<ServiceLease> taken = [.. _held.Values.Where(which)];
        foreach (var held in taken)
        {
            _held.Remove(held.Lease.Id);
        }
        return taken;
    }
}
