namespace OrleansPd.Engines.Requests;

/// <summary>
/// Walks JSON text forward, value by value, and checks all of RFC 8259 on the way except UTF-8, which callers check in
/// bulk beforehand. It never throws: a method that returns false has set <see cref="Fault"/> and <see cref="Position"/>.
/// </summary>
internal ref partial struct JsonWalker
{
    /// <summary>The maximum nesting: one bit a level distinguishes object and array.</summary>
    public const int DeepestNesting = 1024;

    private readonly ReadOnlySpan<byte> _json;
    private readonly int _maxDepth;
    private OpenObjects _open;
    private int _depth;
    private int _noRunBefore;

    public JsonWalker(ReadOnlySpan<byte> json, int position, int depth, int maxDepth)
    {
        _json = json;
        _maxDepth = Math.Min(maxDepth, DeepestNesting);
        _depth = depth;
        Position = position;
    }

    public int Position;

    public JsonFault Fault;

    public JsonCounts Counts;

    /// <summary>Whether the last skipped string contained a backslash.</summary>
    public bool Escaped;

    /// <summary>The byte at the position, or 0 at the end (a NUL is never legal between tokens).</summary>
    public readonly byte Current => Position < _json.Length ? _json[Position] : (byte)0;

    public readonly bool AtEnd => Position >= _json.Length;

    public void SkipWhitespace()
    {
        var at = Position;
        var json = _json;
        while ((uint)at < (uint)json.Length && json[at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            at++;
        Position = at;
    }

    /// <summary>Fails at the current position: with "truncated" at the end, with "unexpected" before it.</summary>
    public bool Stop() => Fail(AtEnd ? JsonFault.Truncated : JsonFault.Unexpected, Position);

    public bool Take(byte expected)
    {
        if (Current != expected || AtEnd)
            return Stop();
        Position++;
        return true;
    }

    /// <summary>Skips one value that starts exactly at the position.</summary>
    public bool SkipValue()
    {
        switch (Current)
        {
            case (byte)'"':
                Counts.Strings++;
                return SkipString();
            case (byte)'{' or (byte)'[':
                return SkipContainer();
            default:
                return SkipScalar();
        }
    }

    private bool SkipContainer()
    {
        var floor = _depth;
        while (true)
        {
            // Position: at the bracket that opens a container.
            var isObject = Current == '{';
            if (_depth >= _maxDepth)
                return Fail(JsonFault.TooDeep, Position);
            Push(isObject);
            Position++;
            SkipWhitespace();
            var opened = false;
            if (Current != (isObject ? (byte)'}' : (byte)']') || AtEnd)
            {
                if (!SkipItems(isObject, out opened))
                    return false;
            }
            // A container was closed, or a new one opens.
            while (!opened)
            {
                if (Current != (isObject ? (byte)'}' : (byte)']') || AtEnd)
                    return Stop();
                Position++;
                _depth--;
                if (_depth == floor)
                    return true;
                isObject = IsObject(_depth - 1);
                SkipWhitespace();
                if (Current == ',')
                {
                    Position++;
                    SkipWhitespace();
                    if (!SkipItems(isObject, out opened))
                        return false;
                }
            }
        }
    }

    /// <summary>
    /// Skips the items of the container on top, from the start of one, until a bracket opens a new container inside
    /// (<paramref name="opened"/>) or no comma follows an item.
    /// </summary>
    private bool SkipItems(bool isObject, out bool opened)
    {
        opened = false;
        while (true)
        {
            if (isObject)
            {
                if (!SkipString())
                    return false;
                SkipWhitespace();
                if (!Take((byte)':'))
                    return false;
                SkipWhitespace();
            }
            var first = Current;
            if (first == '"')
            {
                Counts.Strings++;
                if (!SkipString())
                    return false;
            }
            else if (first is (byte)'{' or (byte)'[')
            {
                opened = true;
                return true;
            }
            else
            {
                if (!isObject && first is >= (byte)'0' and <= (byte)'9')
                    SkipIntegerRun();
                if (!SkipScalar())
                    return false;
            }
            SkipWhitespace();
            if (Current != ',')
                return true;
            Position++;
            SkipWhitespace();
        }
    }

    private void Push(bool isObject)
    {
        var bit = 1UL << (_depth & 63);
        if (isObject)
        {
            Counts.Objects++;
            _open[_depth >> 6] |= bit;
        }
        else
        {
            Counts.Arrays++;
            _open[_depth >> 6] &= ~bit;
        }
        _depth++;
    }

    private readonly bool IsObject(int level) => (_open[level >> 6] >> (level & 63) & 1) != 0;

    private bool Fail(JsonFault fault, int position)
    {
        Fault = fault;
        Position = position;
        return false;
    }

    [InlineArray(DeepestNesting / 64)]
    private struct OpenObjects
    {
        private ulong _first;
    }
}
