using System.Runtime.InteropServices;

namespace OrleansPd.Core.Rooms;

/// <summary>
/// Which prefill rank owns a room. The rules for gateways and for the cluster's shards:
/// <list type="bullet">
/// <item>The room of a running lease is pinned: it does not expire and leaves the table when the lease ends.</item>
/// <item>Any other room expires one TTL after its last registration. A query does not extend it, as with SGLang's own server: a
/// decode engine that polls for a lost room must not keep it.</item>
/// <item>The first rank wins. Another rank is refused and counted; the same rank restarts the TTL.</item>
/// <item>A full table refuses; it drops no room that is pinned or younger than the TTL.</item>
/// </list>
/// One dictionary; registered rooms are linked by age through their ids. Nothing is allocated unless the dictionary grows.
/// </summary>
/// <param name="ttl">Time from a room's last registration to its expiry.</param>
/// <param name="maxRooms">Maximum number of rooms; beyond, registrations are refused.</param>
/// <param name="dropsPerCall">Expired rooms that each registration drops; 0 = only <see cref="TryDrop"/> drops rooms.</param>
internal sealed class RoomTable(TimeSpan ttl, int maxRooms, int dropsPerCall = 2)
{
    private const long None = long.MinValue;
    private const long Pinned = long.MaxValue;
    private const int MinCapacity = 64;
    private const int DroppedPerSweep = 16_384;

    private readonly Dictionary<long, Entry> _rooms = new(MinCapacity);
    private long _oldest = None;
    private long _newest = None;
    private int _pinned;
    private int[] _epochs = new int[16];
    private long _opened, _entered, _closed, _expired, _registered, _conflicts, _refused;

    public int Count => _rooms.Count;

    public RoomStats Stats => new()
    {
        Held = Count,
        Pinned = _pinned,
        Opened = _opened,
        Entered = _entered,
        Closed = _closed,
        Expired = _expired,
        Registered = _registered,
        Conflicts = _conflicts,
        Refused = _refused,
    };

    /// <summary>All registered rooms, the expired ones that have not been dropped included.</summary>
    public IEnumerable<RoomEntry> Registered => _rooms.Where(room => room.Value.Deadline != Pinned)
        .Select(room => new RoomEntry(room.Key, room.Value.Rank, new(room.Value.Deadline, TimeSpan.Zero)));

    /// <summary>Enters the room of a new lease, pinned.</summary>
    /// <param name="prefill">The worker whose rank owns it.</param>
    /// <param name="rank">That rank; -1 while the engine has not reported which one it chose.</param>
    /// <param name="decode">The worker that waits for its KV.</param>
    public void Open(long room, WorkerSnapshot prefill, int rank, WorkerSnapshot decode)
    {
        ref var known = ref Find(room);
        if (!Unsafe.IsNullRef(ref known))
        {
            if (known.Deadline == Pinned)
            {
                return; // two leases never share a room
            }
            // Registered before it was leased. We mint the rooms, so the rank of the lease wins.
            Unlink(known);
            _conflicts += rank >= 0 && known.Rank != rank ? 1 : 0;
            rank = rank >= 0 ? rank : known.Rank;
        }
        else if (Count >= maxRooms)
        {
            _refused++;
            return;
        }
        else
        {
            _opened++;
        }
        _rooms[room] = new Entry
        {
            Rank = rank,
            Prefill = prefill,
            Decode = decode,
            Epoch = EpochOf(prefill.Slot),
            Deadline = Pinned,
        };
        _pinned++;
    }

    public void Close(long room)
    {
        ref readonly var entry = ref Find(room);
        if (!Unsafe.IsNullRef(in entry) && entry.Deadline == Pinned)
        {
            _ = _rooms.Remove(room);
            _pinned--;
            _closed++;
        }
    }

    /// <param name="rank">The rank that owns it.</param>
    /// <param name="prefill">The worker of that rank; null = the registration did not come through a prefill's own
    /// address.</param>
    public RankRegistration Register(long room, int rank, WorkerSnapshot? prefill, DateTimeOffset now)
    {
        for (var i = 0; i < dropsPerCall && TryDrop(now, out _); i++)
        {
        }
        ref var entry = ref Find(room);
        if (!Unsafe.IsNullRef(ref entry) && entry.Deadline != Pinned && (entry.Deadline <= now.UtcTicks || !IsCurrent(entry)))
        {
            Expire(room, entry);
            entry = ref Unsafe.NullRef<Entry>();
        }
        if (Unsafe.IsNullRef(ref entry))
        {
            if (Count >= maxRooms)
            {
                _refused++;
                return RankRegistration.Full;
            }
            _rooms.Add(room, new Entry { Rank = rank, Prefill = prefill, Epoch = prefill is null ? 0 : EpochOf(prefill.Slot) });
            _entered++;
            Link(room, now + ttl);
        }
        else if ((entry.Rank >= 0 && entry.Rank != rank)
            || (prefill is not null && entry.Prefill is { } other && other.Id != prefill.Id) || !IsCurrent(entry))
        {
            _conflicts++;
            return RankRegistration.Conflict;
        }
        else
        {
            entry.Rank = rank;
            if (entry.Deadline != Pinned)
            {
                Unlink(entry);
                Link(room, now + ttl);
            }
        }
        _registered++;
        return RankRegistration.Stored;
    }

    /// <returns>Null when the room is unknown.</returns>
    public RoomOwner? Owner(long room, DateTimeOffset now)
    {
        ref readonly var entry = ref Find(room);
        return !Unsafe.IsNullRef(in entry) && entry.Deadline > now.UtcTicks && IsCurrent(entry)
            ? new(entry.Prefill, entry.Rank, entry.Decode)
            : null;
    }

    /// <summary>Restores a registered room from storage. A room that is known already keeps its entry.</summary>
    public void Restore(in RoomEntry stored, DateTimeOffset now)
    {
        if (stored.Deadline > now && _rooms.TryAdd(stored.Room, new Entry { Rank = stored.Rank }))
        {
            _entered++;
            Link(stored.Room, stored.Deadline);
        }
    }

    /// <summary>The slot has a new worker, or its worker a new process: rooms of the former one are invalid.</summary>
    public void NewEpoch(int slot)
    {
        if (slot >= _epochs.Length)
            Array.Resize(ref _epochs, Math.Max(slot + 1, _epochs.Length * 2));
        _epochs[slot]++;
    }

    /// <summary>To be called about once a second: drops expired rooms, and returns memory after a burst.</summary>
    public void Sweep(DateTimeOffset now)
    {
        for (var i = 0; i < DroppedPerSweep && TryDrop(now, out _); i++)
        {
        }
        if (_rooms.Capacity > 2 * MinCapacity && Count < _rooms.Capacity / 8)
            _rooms.TrimExcess(Math.Max(MinCapacity, _rooms.Capacity / 4));
    }

    public bool TryDrop(DateTimeOffset now, out long room)
    {
        room = _oldest;
        if (room == None || (Find(room) is var entry && entry.Deadline > now.UtcTicks))
            return false;
        Expire(room, entry);
        return true;
    }

    private bool IsCurrent(in Entry entry) => entry.Prefill is null || entry.Epoch == EpochOf(entry.Prefill.Slot);

    private int EpochOf(int slot) => slot < _epochs.Length ? _epochs[slot] : 0;

    private void Expire(long room, Entry entry)
    {
        Unlink(entry);
        _ = _rooms.Remove(room);
        _expired++;
    }

    private ref Entry Find(long room) => ref CollectionsMarshal.GetValueRefOrNullRef(_rooms, room);

    /// <summary>Links a room by age. New registrations are the newest; only a restored room may belong further back.</summary>
    private void Link(long room, DateTimeOffset deadline)
    {
        var older = _newest;
        while (older != None && Find(older).Deadline > deadline.UtcTicks)
            older = Find(older).Older;
        ref var newer = ref older == None ? ref _oldest : ref Find(older).Newer;
        ref var entry = ref Find(room);
        (entry.Deadline, entry.Older, entry.Newer) = (deadline.UtcTicks, older, newer);
        newer = room;
        (entry.Newer == None ? ref _newest : ref Find(entry.Newer).Older) = room;
    }

    private void Unlink(in Entry entry)
    {
        var (older, newer) = (entry.Older, entry.Newer);
        (older == None ? ref _oldest : ref Find(older).Newer) = newer;
        (newer == None ? ref _newest : ref Find(newer).Older) = older;
    }

    private struct Entry
    {
        public long Deadline;
        public WorkerSnapshot? Prefill;
        public WorkerSnapshot? Decode;
        public long Older;
        public long Newer;
        public int Rank;
        public int Epoch;
    }
}
