namespace OrleansPd.Core.Rooms;

/// <summary>
/// Mints room ids: in [1, 2^63-1], <c>room mod dpSize == rank</c>, and never the same twice.
/// <code>
///  62            50 49                          10 9         0  [ gateway prefix ][ counter, starts at the time ][ for the rank
/// ]  '------------- keyed bijection on 53 bits -------------'
/// </code>
/// The upper 53 bits are unique by construction: the prefix separates gateways, the counter the rooms of one gateway, and the
/// bijection only hides the order. The lower 10 bits are chosen to match the rank. All gateways that share engines must use
/// one key. The counter starts at the time in units of 10 µs, so a restarted gateway begins above its former counter if it minted
/// fewer than 100,000 rooms a second on average; the counter wraps after 127 days, when all rooms have expired.
/// </summary>
public sealed class RoomMint
{
    /// <summary>Prefixes are 0 to 2^13-1.</summary>
    public const int PrefixBits = 13;

    /// <summary>Maximum number of data-parallel ranks of a prefill.</summary>
    public const int MaxDpSize = 1 << RankBits;

    private const int RankBits = 10;
    private const int CounterBits = 40;
    private const int UpperBits = PrefixBits + CounterBits;
    private const ulong CounterMask = (1UL << CounterBits) - 1;
    private const ulong UpperMask = (1UL << UpperBits) - 1;
    private const ulong DefaultKey = 0x5D41_C2E9_7B13_A86F;

    private readonly ulong _prefix;
    private readonly ulong _key;
    private ulong _counter;

    /// <param name="prefix">The prefix of this gateway, 0 to 8191; assigned by the cluster if there is one.</param>
    /// <param name="firstCounter">First value of the counter; see <see cref="CounterAt"/>.</param>
    /// <param name="key">Hides the order of rooms; equal on all gateways that share engines.</param>
    public RoomMint(int prefix, long firstCounter, ulong key = DefaultKey)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(prefix);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(prefix, 1 << PrefixBits);
        _prefix = (ulong)prefix << CounterBits;
        _counter = (ulong)firstCounter & CounterMask;
        _key = key;
    }

    /// <summary>The counter of a gateway that starts at that time.</summary>
    public static long CounterAt(DateTimeOffset start) =>
        (long)((ulong)(start.UtcTicks / (TimeSpan.TicksPerMillisecond / 100)) & CounterMask);

    /// <summary>A prefix for a gateway without a cluster.</summary>
    public static int PrefixOf(int seed) => (int)(Mix((uint)seed + 0x9E37_79B9_7F4A_7C15UL) >> (64 - PrefixBits));

    /// <summary>The next room for a rank.</summary>
    /// <param name="dpSize">Ranks of the prefill, 1 to <see cref="MaxDpSize"/>; 1 also where the engine chooses.</param>
    /// <param name="rank">0 to dpSize - 1.</param>
    public long Next(int dpSize, int rank)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dpSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dpSize, MaxDpSize);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, dpSize);
        while (true)
        {
            var upper = Scramble(_prefix | _counter);
            _counter = (_counter + 1) & CounterMask;
            var room = Steer(upper, (uint)dpSize, (uint)rank);
            // 0 means "metadata not arrived" to a decode engine: such a request never ends. One value of 2^53 can give it.
            if (room != 0)
                return room;
        }
    }

    /// <summary>The next room for a rank of a prefill; where the engine chooses the rank, any room does.</summary>
    public long Next(WorkerSnapshot prefill, int rank, DpRankMode ranks)
    {
        ArgumentNullException.ThrowIfNull(prefill);
        return ranks == DpRankMode.Engine ? Next(1, 0) : Next(prefill.DpSize, rank);
    }

    private static long Steer(ulong upper, uint dpSize, uint rank)
    {
        var high = upper << RankBits;
        var lowest = (uint)((rank + dpSize - (high % dpSize)) % dpSize);
        var choices = (MaxDpSize - lowest + dpSize - 1) / dpSize;
        // Spread over all values that fit: an engine that takes the room modulo its own size must not always find 0.
        var low = lowest + (dpSize * (uint)(Mix(upper) % choices));
        return (long)(high | low);
    }

    /// <summary>Each step can be undone within 53 bits, so different inputs stay different.</summary>
    private ulong Scramble(ulong x)
    {
        x ^= _key & UpperMask;
        for (var round = 0; round < 3; round++)
        {
            x = (x * (0x9E37_79B9_7F4A_7C15UL | 1)) & UpperMask;
            x ^= x >> 27;
            x = (x + (_key >> (round * 7))) & UpperMask;
        }
        return x;
    }

    private static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EBUL;
        return x ^ (x >> 31);
    }
}
