using System.Numerics;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Rooms;

/// <summary>
/// Which prefill rank owns a room.
/// <list type="bullet">
/// <item>The room of a live lease is pinned: it neither expires nor gives way, and leaves when the lease ends.</item>
/// <item>Any other room lives for one TTL from the last time it was registered. Asking does not count, as with SGLang's own
/// server: a decode engine that polls for a lost room must not keep it.</item>
/// <item>The first rank stands. Another one is refused and counted; the same again restarts the age.</item>
/// <item>A full table refuses; it drops nothing that is pinned or young.</item>
/// </list>
/// One array of entries, found through a table of chains, with a free list and a list by age in the entries themselves: opening,
/// closing and dropping a room move a few numbers and allocate nothing, unless the table grows.
/// </summary>
internal sealed class RoomTable
{
    private const int None = -1;
    private const int Smallest = 64;
    private const int DroppedPerCall = 2;
    private const int DroppedPerSweep = 16_384;

    private readonly long _ttl;
    private readonly int _most;
    private int[] _chains = [];
    private Entry[] _entries = [];
    private int _shift;
    private int _used;
    private int _free = None;
    private int _oldest = None;
    private int _newest = None;
    private int _pinned;
    private int[] _lives = new int[16];
    private long _opened, _entered, _closed, _expired, _registered, _conflicts, _refused;

    public RoomTable(TimeSpan ttl, int maxRooms)
    {
        _ttl = ttl.Ticks;
        _most = maxRooms;
        Resize(Smallest);
    }

    /// <summary>Rooms in the table.</summary>
    public int Count { get; private set; }

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

    /// <summary>
    /// Enters the rooms of a new lease, pinned. Not those of a prefill with one rank: no engine ever asks about them. Where we
    /// choose the rank no engine asks either; they are entered all the same, for some 100 ns each, because an engine that
    /// registers another rank than the one we sent is a fault that must be seen, not a second truth.
    /// </summary>
    public void Open(PairLease lease, DpRankMode recipe)
    {
        if (lease.Prefill is not { DpSize: > 1 } prefill)
        {
            return;
        }
        foreach (var room in lease.Rooms.Span)
        {
            Open(room, prefill, recipe == DpRankMode.Engine ? -1 : lease.PrefillRank, lease.Decode);
        }
    }

    /// <summary>Takes out the rooms of a lease that has ended.</summary>
    public void Close(PairLease lease)
    {
        if (lease.Prefill is not { DpSize: > 1 })
        {
            return;
        }
        foreach (var room in lease.Rooms.Span)
        {
            if (Find(room) is >= 0 and var at && _entries[at].Pinned)
            {
                _entries[at].Pinned = false;
                _pinned--;
                Remove(at);
                _closed++;
            }
        }
    }

    /// <param name="room">The room.</param>
    /// <param name="rank">Who owns it.</param>
    /// <param name="prefill">Whose ranks these are; null = whoever registers did not come through a prefill's own
    /// address.</param>
    /// <param name="now">The time.</param>
    public RankRegistration Register(long room, int rank, WorkerSnapshot? prefill, DateTimeOffset now)
    {
        Drop(now, DroppedPerCall);
        var at = Find(room);
        if (at >= 0 && !_entries[at].Pinned && (_entries[at].Deadline <= now.UtcTicks || !Lives(_entries[at])))
        {
            Expire(at);
            at = None;
        }
        if (at < 0)
        {
            at = Add(room);
            if (at < 0)
            {
                return RankRegistration.Full;
            }
            ref var entry = ref _entries[at];
            (entry.Rank, entry.Prefill, entry.Decode, entry.Life) = (
                rank, prefill, null, prefill is null ? 0 : LifeOf(prefill.Slot));
            _entered++;
            Append(at, now);
        }
        else
        {
            ref var entry = ref _entries[at];
            if ((entry.Rank >= 0 && entry.Rank != rank)
                || (prefill is not null && entry.Prefill is { } other && other.Id != prefill.Id) || !Lives(entry))
            {
                _conflicts++;
                return RankRegistration.Conflict;
            }
            entry.Rank = rank;
            if (!entry.Pinned)
            {
                Unlink(at);
                Append(at, now);
            }
        }
        _registered++;
        return RankRegistration.Stored;
    }

    /// <returns>Null where unknown.</returns>
    public RoomOwner? Owner(long room, DateTimeOffset now)
    {
        if (Find(room) is not (>= 0 and var at))
        {
            return null;
        }
        ref readonly var entry = ref _entries[at];
        return Lives(entry) && (entry.Pinned || entry.Deadline > now.UtcTicks) ? new(entry.Prefill, entry.Rank, entry.Decode)
            : null;
    }

    /// <summary>A worker has a new process, or its slot a new worker: what was known of the former one's rooms is void.</summary>
    public void Forget(int slot)
    {
        if (slot >= _lives.Length)
        {
            Array.Resize(ref _lives, Math.Max(slot + 1, _lives.Length * 2));
        }
        _lives[slot]++;
    }

    /// <summary>To be called now and then: drops what is too old, and gives memory back after a rush.</summary>
    public void Sweep(DateTimeOffset now)
    {
        Drop(now, DroppedPerSweep);
        if (_entries.Length > Smallest && Count < _entries.Length / 8)
        {
            Resize(Math.Max(Smallest, _entries.Length / 4));
        }
    }

    private void Open(long room, WorkerSnapshot prefill, int rank, WorkerSnapshot decode)
    {
        var at = Find(room);
        if (at >= 0 && _entries[at].Pinned)
        {
            return; // two leases never share a room
        }
        if (at >= 0)
        {
            // Registered before it was leased. Rooms are ours to give: what the lease says stands.
            Unlink(at);
            if (rank >= 0 && _entries[at].Rank != rank)
            {
                _conflicts++;
            }
            rank = rank >= 0 ? rank : _entries[at].Rank;
        }
        else if ((at = Add(room)) >= 0)
        {
            _opened++;
        }
        else
        {
            return;
        }
        ref var entry = ref _entries[at];
        (entry.Rank, entry.Prefill, entry.Decode, entry.Life, entry.Pinned) = (rank, prefill, decode, LifeOf(prefill.Slot), true);
        _pinned++;
    }

    private bool Lives(in Entry entry) => entry.Prefill is null || entry.Life == LifeOf(entry.Prefill.Slot);

    private int LifeOf(int slot) => slot < _lives.Length ? _lives[slot] : 0;

    private void Drop(DateTimeOffset now, int most)
    {
        while (most-- > 0 && _oldest != None && _entries[_oldest].Deadline <= now.UtcTicks)
        {
            Expire(_oldest);
        }
    }

    private void Expire(int at)
    {
        Unlink(at);
        Remove(at);
        _expired++;
    }

    private int Chain(long room) => (int)(((ulong)room * 0x9E37_79B9_7F4A_7C15UL) >> _shift);

    private int Find(long room)
    {
        var at = _chains[Chain(room)] - 1;
        while (at >= 0 && _entries[at].Room != room)
        {
            at = _entries[at].Next;
        }
        return at;
    }

    /// <summary>Negative when the table is full.</summary>
    private int Add(long room)
    {
        if (Count >= _most)
        {
            _refused++;
            return None;
        }
        if (_free == None && _used == _entries.Length)
        {
            Resize(_entries.Length * 2);
        }
        return Put(room);
    }

    private int Put(long room)
    {
        var at = _free;
        if (at != None)
        {
            _free = _entries[at].Next;
        }
        else
        {
            at = _used++;
        }
        ref var chain = ref _chains[Chain(room)];
        ref var entry = ref _entries[at];
        entry.Room = room;
        entry.Next = chain - 1;
        chain = at + 1;
        Count++;
        return at;
    }

    private void Remove(int at)
    {
        ref var entry = ref _entries[at];
        ref var chain = ref _chains[Chain(entry.Room)];
        if (chain - 1 == at)
        {
            chain = entry.Next + 1;
        }
        else
        {
            var before = chain - 1;
            while (_entries[before].Next != at)
            {
                before = _entries[before].Next;
            }
            _entries[before].Next = entry.Next;
        }
        entry = new Entry { Next = _free };
        _free = at;
        Count--;
    }

    private void Append(int at, DateTimeOffset now)
    {
        ref var entry = ref _entries[at];
        entry.Deadline = now.UtcTicks + _ttl;
        Append(at);
    }

    private void Append(int at)
    {
        ref var entry = ref _entries[at];
        (entry.Older, entry.Newer) = (_newest, None);
        if (_newest == None)
        {
            _oldest = at;
        }
        else
        {
            _entries[_newest].Newer = at;
        }
        _newest = at;
    }

    private void Unlink(int at)
    {
        ref readonly var entry = ref _entries[at];
        if (entry.Older == None)
        {
            _oldest = entry.Newer;
        }
        else
        {
            _entries[entry.Older].Newer = entry.Newer;
        }
        if (entry.Newer == None)
        {
            _newest = entry.Older;
        }
        else
        {
            _entries[entry.Newer].Older = entry.Older;
        }
    }

    private void Resize(int size)
    {
        var (entries, used, oldest) = (_entries, _used, _oldest);
        _chains = new int[size];
        _entries = new Entry[size];
        _shift = 64 - BitOperations.Log2((uint)size);
        (_used, _free, _oldest, _newest, Count) = (0, None, None, None, 0);
        for (var at = oldest; at != None; at = entries[at].Newer)
        {
            Append(Copy(entries[at]));
        }
        for (var at = 0; at < used; at++)
        {
            if (entries[at].Pinned)
            {
                Copy(entries[at]);
            }
        }
    }

    private int Copy(in Entry from)
    {
        var at = Put(from.Room);
        var next = _entries[at].Next;
        _entries[at] = from;
        _entries[at].Next = next;
        return at;
    }

    private struct Entry
    {
        public long Room;
        public long Deadline;
        public WorkerSnapshot? Prefill;
        public WorkerSnapshot? Decode;
        public int Rank;
        public int Life;
        public int Next;
        public int Older;
        public int Newer;
        public bool Pinned;
    }
}
