using OrleansPd.Core.Routing;

namespace OrleansPd.Core.Admission;

/// <summary>
/// The leases of which a leg still runs. Makes a lease of a pick, adds what it holds to the load of its ranks and takes each
/// leg's share away when that leg ends.
/// </summary>
internal sealed class LeaseTable(ControlPlaneOptions options, PairCatalog catalog, RoomBook rooms)
{
    private long _lastId;

    /// <summary>The newest lease; the others follow by <see cref="HeldLease.Next"/>.</summary>
    public HeldLease? Newest { get; private set; }

    public int Live { get; private set; }

    public HeldLease Grant(PoolPolicies policies, in PairPick pick, in PairRequest request, TimeSpan waited, long timestamp)
    {
        var decodeSet = pick.Group.Decode;
        var (prefill, prefillRank) = pick.Group.Prefill is { } set
            ? (set.Worker(pick.Prefill), set.Rank(pick.Prefill))
            : (null, 0);
        var (decode, decodeRank) = (decodeSet.Worker(pick.Decode), decodeSet.Rank(pick.Decode));
        var uncached = policies.Picker.Uncached(pick, request);
        var lease = new HeldLease
        {
            Id = ++_lastId,
            Prefill = prefill,
            Decode = decode,
            PrefillRank = prefillRank,
            DecodeRank = decodeRank,
            Rooms = prefill is null ? ReadOnlyMemory<long>.Empty : rooms.Open(prefill, prefillRank, decode, request.Items),
            PrefillTarget = LegTargets.Prefill(options.DpRanks, prefill, prefillRank),
            DecodeTarget = LegTargets.Decode(options.DpRanks, prefill, prefillRank, decode, decodeRank),
            Items = request.Items,
            PrefillTokens = prefill is null ? 0 : uncached,
            DecodeTokens = PairPicker.DecodeTokens(request),
            Started = timestamp,
            PrefillHalfOpen = pick.PrefillHalfOpen,
            DecodeHalfOpen = pick.DecodeHalfOpen,
            PrefillEnded = prefill is null,
            RouteExplanation = Why(policies, pick, uncached, waited),
        };
        if (prefill is not null)
        {
            catalog.Add(prefill.Slot, prefillRank, lease.Items, lease.PrefillTokens);
            pick.Group.Prefill!.CountUse(pick.Prefill, lease.PrefillTokens);
        }
        catalog.Add(decode.Slot, decodeRank, lease.Items, lease.DecodeTokens);
        decodeSet.CountUse(pick.Decode, lease.DecodeTokens, hasPrefixCache: prefill is null
            || policies.Picker.DecodeHasPrefixCache);
        policies.Picker.Picked(pick, request);
        Link(lease);
        return lease;
    }

    /// <summary>Ends one leg. False: that leg had ended before.</summary>
    public bool Release(HeldLease lease, LegSide side)
    {
        if (side == LegSide.Prefill ? lease.PrefillEnded : lease.DecodeEnded)
            return false;
        if (side == LegSide.Prefill)
        {
            lease.PrefillEnded = true;
            catalog.Add(lease.Prefill!.Slot, lease.PrefillRank, -lease.Items, -lease.PrefillTokens);
        }
        else
        {
            lease.DecodeEnded = true;
            catalog.Add(lease.Decode.Slot, lease.DecodeRank, -lease.Items, -lease.DecodeTokens);
        }
        if (lease.Ended)
        {
            Unlink(lease);
            rooms.Close(lease);
        }
        return true;
    }

    private static RouteExplanation Why(PoolPolicies policies, in PairPick pick, long uncached, TimeSpan waited) => new()
    {
        Route = pick.Route,
        PrefillPolicy = pick.Group.Prefill is null ? null : policies.Prefill,
        DecodePolicy = pick.Group.Prefill is null ? policies.Prefill : policies.Decode,
        PrefillCandidates = pick.Group.Prefill?.Count ?? 0,
        DecodeCandidates = pick.Group.Decode.Count,
        PrefillScore = pick.Group.Prefill?.Weight(pick.Prefill) ?? 0,
        DecodeScore = pick.Group.Decode.Weight(pick.Decode),
        UncachedTokens = uncached,
        Waited = waited,
        IsHalfOpen = pick.PrefillHalfOpen || pick.DecodeHalfOpen,
    };

    private void Link(HeldLease lease)
    {
        lease.Next = Newest;
        if (Newest is not null)
            Newest.Previous = lease;
        Newest = lease;
        Live++;
    }

    private void Unlink(HeldLease lease)
    {
        if (lease.Previous is null)
            Newest = lease.Next;
        else
            lease.Previous.Next = lease.Next;
        if (lease.Next is not null)
            lease.Next.Previous = lease.Previous;
        (lease.Next, lease.Previous) = (null, null);
        Live--;
    }
}
