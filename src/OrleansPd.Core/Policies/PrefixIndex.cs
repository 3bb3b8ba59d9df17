namespace OrleansPd.Core.Policies;

/// <summary>
/// Stores which ranks have got which prompt prefixes. Blocks have chained hashes, so the hash of a block stands for the whole
/// prefix up to it. Of a prompt only the blocks on a grid are stored: each of the first 64, then 32 in every doubling of the
/// length, and the last; a match is at most 1/32 too short, and a prompt of 128k tokens costs some 200 entries, not 8,000.
/// <para>Fixed memory: a set-associative table with eight entries per line; the least recently used one of a line is
/// replaced.</para>
/// <para>An entry names four holders. A prefix that had more is <em>common</em>: it counts as cached everywhere, so it attracts
/// no request.</para>
/// </summary>
internal sealed class PrefixIndex
{
    public const int MaxHolders = 4;
    private const int Ways = 8;
    private const int GridBits = 5;

    private readonly ulong[] _keys;
    private readonly uint[] _stamps;
    private readonly uint[] _holders;
    private readonly int _lineMask;
    private uint _clock = 2;

    public PrefixIndex(int blocks)
    {
        var entries = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(blocks, Ways));
        _keys = new ulong[entries];
        _stamps = new uint[entries];
        _holders = new uint[entries * MaxHolders];
        _lineMask = (entries / Ways) - 1;
    }

    /// <summary>The deepest known block of the prompt as a number of blocks, 0 = none.</summary>
    public int Deepest(ReadOnlySpan<ulong> blocks) => Deepest(blocks, commonOnly: false);

    /// <summary>The length of the common prefix of the prompt, in blocks.</summary>
    public int Common(ReadOnlySpan<ulong> blocks) => Deepest(blocks, commonOnly: true);

    /// <summary>Holders of the prompt's first <paramref name="depth"/> blocks; 0 = empty.</summary>
    public ReadOnlySpan<uint> Holders(ReadOnlySpan<ulong> blocks, int depth)
    {
        var entry = depth > 0 ? Find(blocks[depth - 1]) : -1;
        return entry < 0 ? default : _holders.AsSpan(entry * MaxHolders, MaxHolders);
    }

    /// <summary>The next lower depth on the grid.</summary>
    public static int Below(int depth) => depth <= 1 ? 0 : GridDepth(GridCount(depth - 1) - 1);

    /// <summary>The largest depth on the grid up to this one.</summary>
    public static int AtOrBelow(int depth) => depth <= 0 ? 0 : GridDepth(GridCount(depth) - 1);

    /// <param name="holder">The rank that has it now; not 0, and without the top bit.</param>
    /// <param name="updates">Collects keys that are new here; null = there are no other gateways.</param>
    public void Add(ReadOnlySpan<ulong> blocks, uint holder, AffinityUpdates? updates = null)
    {
        if (blocks.IsEmpty)
            return;
        _clock += 2; // the low bit of a stamp means "common"
        var grid = GridCount(blocks.Length);
        for (var i = 0; i < grid; i++)
            AddBlock(blocks[GridDepth(i) - 1], holder, updates);
        if (GridDepth(grid - 1) != blocks.Length)
            AddBlock(blocks[^1], holder, updates);
    }

    /// <summary>Adds blocks of another index's grid.</summary>
    public void AddRemote(ReadOnlySpan<ulong> keys, uint holder)
    {
        _clock += 2;
        foreach (var key in keys)
            AddBlock(key, holder, null);
    }

    private void AddBlock(ulong key, uint holder, AffinityUpdates? updates)
    {
        var entry = Find(key);
        if (entry < 0)
        {
            entry = Oldest(key);
            _keys[entry] = key;
            _holders.AsSpan(entry * MaxHolders, MaxHolders).Clear();
            _stamps[entry] = 0;
        }
        var common = _stamps[entry] & 1;
        var holders = _holders.AsSpan(entry * MaxHolders, MaxHolders);
        var at = holders.IndexOf(holder);
        if (updates is not null && (updates.PublishesAll || (at < 0 && common == 0)))
            updates.Add(key);
        if (at < 0)
        {
            common |= holders[^1] != 0 ? 1u : 0u;
            at = MaxHolders - 1;
        }
        holders[..at].CopyTo(holders[1..]); // newest first
        holders[0] = holder;
        _stamps[entry] = _clock | common;
    }

    private int Deepest(ReadOnlySpan<ulong> blocks, bool commonOnly)
    {
        if (blocks.IsEmpty)
            return 0;
        if (Knows(blocks[^1], commonOnly))
            return blocks.Length;
        // A prefix is known up to some block and unknown after it: a binary search finds that block.
        var (known, unknown) = (0, GridCount(blocks.Length) + 1);
        while (known + 1 < unknown)
        {
            var middle = (known + unknown) / 2;
            if (Knows(blocks[GridDepth(middle - 1) - 1], commonOnly))
                known = middle;
            else
                unknown = middle;
        }
        return known == 0 ? 0 : GridDepth(known - 1);
    }

    private bool Knows(ulong key, bool commonOnly)
    {
        var entry = Find(key);
        return entry >= 0 && (!commonOnly || (_stamps[entry] & 1) == 1);
    }

    /// <summary>Number of blocks on the grid of a prompt of that length.</summary>
    private static int GridCount(int length)
    {
        if (length <= 1 << GridBits)
            return length;
        var octave = System.Numerics.BitOperations.Log2((uint)length) - GridBits;
        return (octave << GridBits) + (length >> octave);
    }

    private static int GridDepth(int index)
    {
        var n = index + 1;
        if (n <= 1 << GridBits)
            return n;
        var octave = (n >> GridBits) - 1;
        return (n - (octave << GridBits)) << octave;
    }

    // Keys may not be spread over all their bits: mix first.
    private int Line(ulong key) => ((int)((key * 0x9E37_79B9_7F4A_7C15UL) >> 32) & _lineMask) * Ways;

    private int Find(ulong key)
    {
        var line = Line(key);
        var way = _keys.AsSpan(line, Ways).IndexOf(key);
        return way < 0 || _stamps[line + way] == 0 ? -1 : line + way;
    }

    private int Oldest(ulong key)
    {
        var line = Line(key);
        var oldest = line;
        for (var i = line + 1; i < line + Ways; i++)
            oldest = _stamps[i] < _stamps[oldest] ? i : oldest;
        return oldest;
    }
}
