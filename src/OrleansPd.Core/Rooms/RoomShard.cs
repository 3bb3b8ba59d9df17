namespace OrleansPd.Core.Rooms;

/// <summary>
/// One shard of the cluster's registered rooms: rooms that belong to no lease of the gateway at which they were registered. The
/// rules are those of <see cref="RoomTable"/>.
/// </summary>
/// <param name="ttl">Time from a room's last registration to its expiry.</param>
/// <param name="maxRooms">Maximum number of rooms; beyond, registrations are refused.</param>
public sealed class RoomShard(TimeSpan ttl, int maxRooms)
{
    // Each dropped room must be removed from storage too, so only Expire drops rooms.
    private readonly RoomTable _table = new(ttl, maxRooms, dropsPerCall: 0);

    public int Count => _table.Count;

    /// <summary>All rooms, the expired ones that have not been dropped included.</summary>
    public IReadOnlyList<RoomEntry> Entries => [.. _table.Registered];

    /// <param name="rank">The prefill rank that owns it.</param>
    /// <param name="entry">To be stored before the registration is acknowledged, if the result is Stored.</param>
    public RankRegistration Register(long room, int rank, DateTimeOffset now, out RoomEntry entry)
    {
        entry = new RoomEntry(room, rank, now + ttl);
        return _table.Register(room, rank, null, now);
    }

    /// <returns>-1 when the room is unknown.</returns>
    public int Query(long room, DateTimeOffset now) => _table.Owner(room, now)?.Rank ?? -1;

    /// <summary>Restores a room from storage. A room that is known already keeps its entry.</summary>
    public void Restore(RoomEntry entry, DateTimeOffset now) => _table.Restore(entry, now);

    /// <summary>Drops expired rooms until the list has <paramref name="max"/> of them.</summary>
    public void Expire(DateTimeOffset now, int max, List<long> dropped)
    {
        ArgumentNullException.ThrowIfNull(dropped);
        while (dropped.Count < max && _table.TryDrop(now, out var room))
            dropped.Add(room);
    }
}

/// <summary>A registered room.</summary>
/// <param name="Rank">The prefill rank that owns it.</param>
/// <param name="Deadline">When it expires.</param>
public readonly record struct RoomEntry(long Room, int Rank, DateTimeOffset Deadline);
