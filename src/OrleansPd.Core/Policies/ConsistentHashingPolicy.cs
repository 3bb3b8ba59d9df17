namespace OrleansPd.Core.Policies;

/// <summary>
/// Requests with one key go to one worker while it is usable, and few keys move when workers are added or removed. The key is the
/// session's, or else the prompt's first block. Workers are placed on a ring by the hash of their name, so all gateways agree.
/// Many prompts may share a first block (a system prompt), so without a session the least loaded rank is used instead where its
/// load is lower by more than the request's own length.
/// </summary>
internal sealed class ConsistentHashingPolicy : PickPolicy
{
    private const int PointsPerWorker = 64;
    private const int Walk = 256;
    private readonly ConditionalWeakTable<RankSet, Ring> _rings = [];

    public override bool NeedsPrefix => true;

    public override int Pick(RankSet set, in PairRequest request, in PickScope scope)
    {
        var key = request.SessionKey != 0 ? request.SessionKey : request.PrefixBlocks.IsEmpty ? 0 : request.PrefixBlocks.Span[0];
        if (key == 0 || set.Count == 0)
            return scope.Least(set);
        var ring = _rings.GetValue(set, Ring.Of);
        var at = Array.BinarySearch(ring.Points, Hash.Mix(key));
        at = at < 0 ? ~at : at;
        for (var i = 0; i < Math.Min(Walk, ring.Points.Length); i++)
        {
            var slot = ring.Slots[(at + i) % ring.Points.Length];
            var (from, to) = set.Leaves(slot);
            var leaf = from + (int)(Hash.Mix(key + ring.Names[slot]) % (ulong)(to - from));
            if (!scope.Takes(set, leaf))
                continue;
            if (request.SessionKey == 0 && scope.Least(set) is >= 0 and var least
                && set.Weight(leaf) - set.Weight(least) > scope.Tokens)
            {
                return least;
            }
            return leaf;
        }
        return scope.Least(set);
    }

    private sealed class Ring
    {
        public required ulong[] Points { get; init; }

        public required int[] Slots { get; init; }

        /// <summary>Hash of the worker's name, by slot. Slots differ between gateways, names do not.</summary>
        public required ulong[] Names { get; init; }

        public static Ring Of(RankSet set)
        {
            var points = new List<(ulong Point, int Slot)>();
            var names = new ulong[set.Workers.Length];
            foreach (var worker in set.Workers)
            {
                var name = worker is null ? 0 : names[worker.Slot] = Hash.Of(worker.Id.Value);
                for (var i = 0; worker is not null && i < PointsPerWorker; i++)
                    points.Add((Hash.Mix(name + (ulong)i), worker.Slot));
            }
            points.Sort();
            return new Ring { Points = [.. points.Select(p => p.Point)], Slots = [.. points.Select(p => p.Slot)], Names = names };
        }
    }
}
