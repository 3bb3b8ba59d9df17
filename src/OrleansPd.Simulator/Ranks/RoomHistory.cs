namespace OrleansPd.Simulator.Ranks;

/// <summary>The rooms of one life of an engine, the newest 200,000, to find a router that uses one twice.</summary>
internal sealed class RoomHistory
{
    private const int Most = 200_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, string> _rids = [];
    private readonly Queue<long> _order = new();

    /// <summary>False where another request had that room. The same request may come back to it.</summary>
    public bool TryAdd(long room, string rid)
    {
        lock (_gate)
        {
            if (_rids.TryGetValue(room, out var known))
            {
                return known == rid;
            }
            _rids.Add(room, rid);
            _order.Enqueue(room);
            if (_order.Count > Most)
            {
                _rids.Remove(_order.Dequeue());
            }
            return true;
        }
    }
}
