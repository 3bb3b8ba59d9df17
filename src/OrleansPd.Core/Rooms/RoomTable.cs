namespace OrleansPd.Core.Rooms;

/// <summary>
/// Which prefill rank owns a room. Two generations: a room lives for one to two times its TTL from the last time it was
/// registered, as in SGLang's bootstrap server, and a sweep costs nothing. The first registration stands.
/// </summary>
internal sealed class RoomTable(TimeSpan ttl, int maxRooms)
{
    private Dictionary<long, int> _young = [];
    private Dictionary<long, int> _old = [];
    private DateTimeOffset _turned;

    public int Count => _young.Count + _old.Count;

    /// <summary>Registrations that were refused because another rank had the room.</summary>
    public long Conflicts { get; private set; }

    public bool Register(long room, int rank, DateTimeOffset now)
    {
        Turn(now);
        if (Find(room) is { } known && known != rank)
        {
            Conflicts++;
            return false;
        }
        _old.Remove(room);
        _young[room] = rank;
        return true;
    }

    public int? Find(long room, DateTimeOffset now)
    {
        Turn(now);
        return Find(room);
    }

    private int? Find(long room) => _young.TryGetValue(room, out var rank) || _old.TryGetValue(room, out rank) ? rank : null;

    private void Turn(DateTimeOffset now)
    {
        var age = now - _turned;
        if (age < ttl && _young.Count < maxRooms / 2)
        {
            return;
        }
        if (age >= 2 * ttl)
        {
            _young.Clear();
        }
        (_young, _old) = (_old, _young);
        _young.Clear();
        _turned = now;
    }
}
