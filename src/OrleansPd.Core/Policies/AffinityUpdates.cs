namespace OrleansPd.Core.Policies;

/// <summary>
/// Keys (prefixes, sessions) that the policies of one gateway have assigned to ranks since the last update, for the other
/// gateways. Affinity is a hint, so the memory is bounded and keys that do not fit are dropped.
/// <para>Words: a head (slot, rank, side, number of keys), then the keys.</para>
/// </summary>
internal sealed class AffinityUpdates
{
    /// <summary>256 KB.</summary>
    public const int MaxWords = 32_768;

    private const int CountBits = 16;
    private const int RankBits = 10;
    private ulong[] _words = [];
    private int _length;
    private int _head;

    /// <summary>Publish known keys too, not only new ones: a gateway has joined that has none.</summary>
    public bool PublishesAll { get; set; }

    /// <summary>Keys that did not fit.</summary>
    public long Dropped { get; private set; }

    /// <summary>Starts the keys of a rank; end them with <see cref="End"/>.</summary>
    public void Begin(LegSide side, int slot, int rank)
    {
        Reserve(_length + 1);
        _head = _length++;
        _words[_head] = ((ulong)(uint)slot << 32) | (
            (ulong)(uint)rank << (CountBits + 1)) | (side == LegSide.Prefill ? 1UL << CountBits : 0);
    }

    public void Add(ulong key)
    {
        if (_length >= MaxWords || _length - _head > ushort.MaxValue)
        {
            Dropped++;
            return;
        }
        Reserve(_length + 1);
        _words[_length++] = key;
    }

    public void End()
    {
        var count = _length - _head - 1;
        _words[_head] |= (uint)count;
        _length = count == 0 ? _head : _length;
    }

    /// <summary>Takes out all keys; null = none. Those of unknown workers are dropped.</summary>
    public AffinityUpdate? Take(Func<int, WorkerId?> idOf)
    {
        if (_length == 0)
            return null;
        var workers = ImmutableArray.CreateBuilder<WorkerId>();
        var indexes = new Dictionary<int, int>();
        var words = new ulong[_length];
        var length = 0;
        for (var at = 0; at < _length;)
        {
            var (slot, rest) = ((int)(_words[at] >> 32), _words[at] & uint.MaxValue);
            var count = (int)(rest & ushort.MaxValue);
            if (idOf(slot) is { } id)
            {
                if (!indexes.TryGetValue(slot, out var index))
                {
                    indexes.Add(slot, index = workers.Count);
                    workers.Add(id);
                }
                words[length] = ((ulong)(uint)index << 32) | rest;
                _words.AsSpan(at + 1, count).CopyTo(words.AsSpan(length + 1));
                length += 1 + count;
            }
            at += 1 + count;
        }
        _length = 0;
        return length == 0 ? null : new AffinityUpdate(workers.ToImmutable(), words.AsMemory(0, length));
    }

    /// <summary>Reads the update of another gateway, up to the first head that makes no sense.</summary>
    public static void Read(AffinityUpdate update, Reader reader)
    {
        var words = update.Words.Span;
        while (words.Length > 0)
        {
            var head = words[0];
            var (index, count) = ((int)(head >> 32), (int)(head & ushort.MaxValue));
            if ((uint)index >= (uint)update.Workers.Length || count >= words.Length)
                return;
            var rank = (int)(head >> (CountBits + 1)) & ((1 << RankBits) - 1);
            reader(update.Workers[index], (head & (1UL << CountBits)) != 0 ? LegSide.Prefill
                : LegSide.Decode, rank, words.Slice(1, count));
            words = words[(1 + count)..];
        }
    }

    public delegate void Reader(WorkerId worker, LegSide side, int rank, ReadOnlySpan<ulong> keys);

    private void Reserve(int words)
    {
        if (words > _words.Length)
            Array.Resize(ref _words, Math.Max(256, Math.Min(_words.Length * 2, MaxWords + 1)));
    }
}

/// <summary>The keys that one gateway has assigned to ranks, for the other gateways.</summary>
/// <param name="Workers">The workers; heads refer to them by index.</param>
/// <param name="Words">For each rank a head and the keys; see <see cref="AffinityUpdates"/>.</param>
public sealed record AffinityUpdate(ImmutableArray<WorkerId> Workers, ReadOnlyMemory<ulong> Words);
