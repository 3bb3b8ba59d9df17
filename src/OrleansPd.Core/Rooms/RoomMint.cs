namespace OrleansPd.Core.Rooms;

/// <summary>
/// Makes room ids: in [1, 2^63-1], <c>room mod dpSize == rank</c>, and never the same twice.
/// <code>
///  62            50 49                          10 9         0
///  [ gateway prefix ][ counter, starts at the time ][ for the rank ]
///  '------------- keyed bijection on 53 bits -------------'
/// </code>
/// The upper 53 bits are unique by construction: the prefix separates gateways, the counter the rooms of one gateway, and the
/// bijection only hides the order. The lower 10 bits are free to meet the rank. All gateways that share engines must use one
/// key. The counter starts at the time in units of 10 µs, so a restarted gateway begins above its former life as long as that
/// one minted fewer than 100,000 rooms a second on average; it comes round after 127 days, when no room lives any more.
/// </summary>
public sealed class RoomMint
{
    /// <summary>Prefixes are 0 to 2^13-1.</summary>
    public const int PrefixBits = 13;

    /// <summary>Most data-parallel ranks a room can be steered to.</summary>
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

    /// <param name="prefix">This gateway's, 0 to 8191; leased where gateways know of each other.</param>
    /// <param name="firstCounter">Where counting starts; see <see cref="CounterAt"/>.</param>
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

    /// <summary>A prefix for a gateway that has a seed and no lease.</summary>
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
            {
                return room;
            }
        }
    }

    /// <summary>Fills with rooms of one rank, all different.</summary>
    public void Fill(Span<long> rooms, int dpSize, int rank)
    {
        for (var i = 0; i < rooms.Length; i++)
        {
            rooms[i] = Next(dpSize, rank);
        }
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
