namespace OrleansPd.Simulator.Ranks;

/// <summary>The newest 200,000 rooms of one epoch of an engine, to detect a router that uses a room twice.</summary>
internal sealed class RoomHistory
{
    private const int Most = 200_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, string> _rids = [];
    private readonly Queue<long> _order = new();

    /// <summary>False when another request used the room. The same request may use it again.</summary>
    public bool TryAdd(long room, string rid)
    {
        lock (_gate)
        {
            if (_rids.TryGetValue(room, out var known))
                return known == rid;
            _rids.Add(room, rid);
            _order.Enqueue(room);
            if (_order.Count > Most)
                _rids.Remove(_order.Dequeue());
            return true;
        }
    }
}
