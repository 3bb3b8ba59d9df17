namespace OrleansPd.Core.Rooms;

/// <summary>
/// A shard of the cluster's registered rooms: which prefill rank has a room that no live lease of the asked gateway pins. A room
/// lives for one TTL from the last time it was registered; asking does not count. The first rank stands, another is refused.
/// </summary>
/// <param name="ttl">How long a room lives.</param>
/// <param name="maxRooms">Most rooms it holds; beyond, registrations are refused.</param>
public sealed class RoomShard(TimeSpan ttl, int maxRooms)
{
    private readonly Dictionary<long, RoomEntry> _rooms = [];
    private readonly PriorityQueue<long, long> _byDeadline = new();

    public int Count => _rooms.Count;

    /// <summary>All rooms, those that are too old but not dropped yet among them.</summary>
    public IReadOnlyList<RoomEntry> Entries => [.. _rooms.Values];

    /// <summary>Registrations of another rank than the one that stands.</summary>
    public long Conflicts { get; private set; }

    /// <param name="room">The room.</param>
    /// <param name="rank">Who has it.</param>
    /// <param name="now">The time.</param>
    /// <param name="entry">What is to be stored before the registration is acknowledged.</param>
    public RankRegistration Register(long room, int rank, DateTimeOffset now, out RoomEntry entry)
    {
        var known = _rooms.TryGetValue(room, out entry) && entry.Deadline > now;
        if (known && entry.Rank != rank)
        {
            Conflicts++;
            return RankRegistration.Conflict;
        }
        if (!known && !_rooms.ContainsKey(room) && _rooms.Count >= maxRooms)
        {
            return RankRegistration.Full;
        }
        entry = new RoomEntry(room, rank, now + ttl);
        Put(entry);
        return RankRegistration.Stored;
    }

    /// <returns>-1 where unknown.</returns>
    public int Query(long room, DateTimeOffset now) =>
        _rooms.TryGetValue(room, out var entry) && entry.Deadline > now ? entry.Rank : -1;

    /// <summary>Takes back what was stored; what is known already stands.</summary>
    public void Restore(RoomEntry entry, DateTimeOffset now)
    {
        if (entry.Deadline > now && !_rooms.ContainsKey(entry.Room))
        {
            Put(entry);
        }
    }

    /// <summary>Drops what is too old, at most so many, and names it.</summary>
    public void Expire(DateTimeOffset now, int most, List<long> gone)
    {
        ArgumentNullException.ThrowIfNull(gone);
        while (gone.Count < most && _byDeadline.TryPeek(out var room, out var deadline) && deadline <= now.UtcTicks)
        {
            _byDeadline.Dequeue();
            // A room that was registered again has a later place in the queue too.
            if (_rooms.TryGetValue(room, out var entry) && entry.Deadline.UtcTicks <= deadline)
            {
                _rooms.Remove(room);
                gone.Add(room);
            }
        }
    }

    private void Put(in RoomEntry entry)
    {
        _rooms[entry.Room] = entry;
        _byDeadline.Enqueue(entry.Room, entry.Deadline.UtcTicks);
    }
}

/// <summary>A registered room.</summary>
/// <param name="Room">Its id.</param>
/// <param name="Rank">The prefill rank that has it.</param>
/// <param name="Deadline">When it expires.</param>
public readonly record struct RoomEntry(long Room, int Rank, DateTimeOffset Deadline);
