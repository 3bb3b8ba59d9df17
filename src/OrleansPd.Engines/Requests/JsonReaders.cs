namespace OrleansPd.Engines.Requests;

/// <summary>
/// Reads the members of one object, in order. Sets <see cref="Failed"/> where the text is not an object or is truncated.
/// </summary>
internal ref struct JsonObjectReader
{
    private readonly ReadOnlySpan<byte> _json;
    private JsonWalker _walker;
    private bool _started;

    /// <param name="json">The whole text; positions are offsets into it.</param>
    /// <param name="at">Where the object starts (leading whitespace allowed).</param>
    public JsonObjectReader(ReadOnlySpan<byte> json, int at)
    {
        _json = json;
        _walker = new JsonWalker(json, at, depth: 1, JsonWalker.DeepestNesting);
    }

    /// <summary>The raw key between its quotes.</summary>
    public Slice Key { get; private set; }

    public Slice Value { get; private set; }

    /// <summary>Position after the closing brace, once all was read without a failure.</summary>
    public readonly int End => _walker.Position;

    public bool Failed { get; private set; }

    public readonly bool KeyIs(ReadOnlySpan<byte> name) => JsonText.KeyIs(Key.Of(_json), name);

    public readonly ReadOnlySpan<byte> Token => Value.Of(_json);

    public bool Read()
    {
        if (Failed)
            return false;
        if (!_started)
        {
            _started = true;
            _walker.SkipWhitespace();
            if (!_walker.Take((byte)'{'))
                return Fail();
            _walker.SkipWhitespace();
            if (_walker.Current == '}')
                return Close();
        }
        else
        {
            _walker.SkipWhitespace();
            if (_walker.Current == '}')
                return Close();
            if (!_walker.Take((byte)','))
                return Fail();
            _walker.SkipWhitespace();
        }
        var key = _walker.Position + 1;
        if (!_walker.SkipString())
            return Fail();
        Key = Slice.Between(key, _walker.Position - 1);
        _walker.SkipWhitespace();
        if (!_walker.Take((byte)':'))
            return Fail();
        _walker.SkipWhitespace();
        var value = _walker.Position;
        if (!_walker.SkipValue())
            return Fail();
        Value = Slice.Between(value, _walker.Position);
        return true;
    }

    /// <summary>Finds a member; of duplicates the last one, as in Python. None for null and for malformed text.</summary>
    public static Slice Find(ReadOnlySpan<byte> json, int at, ReadOnlySpan<byte> name)
    {
        Slice found = default;
        var reader = new JsonObjectReader(json, at);
        while (reader.Read())
        {
            if (reader.KeyIs(name))
                found = JsonText.IsNull(reader.Token) ? default : reader.Value;
        }
        return reader.Failed ? default : found;
    }

    private bool Close()
    {
        _walker.Position++;
        return false;
    }

    private bool Fail()
    {
        Failed = true;
        return false;
    }
}

/// <summary>Reads the elements of one array, in order.</summary>
internal ref struct JsonArrayReader
{
    private readonly ReadOnlySpan<byte> _json;
    private JsonWalker _walker;
    private bool _started;

    public JsonArrayReader(ReadOnlySpan<byte> json, int at)
    {
        _json = json;
        _walker = new JsonWalker(json, at, depth: 1, JsonWalker.DeepestNesting);
    }

    public Slice Value { get; private set; }

    /// <summary>Position after the closing bracket, once all was read without a failure.</summary>
    public readonly int End => _walker.Position;

    public bool Failed { get; private set; }
    public readonly ReadOnlySpan<byte> Token => Value.Of(_json);

    public bool Read()
    {
        if (Failed)
            return false;
        _walker.SkipWhitespace();
        if (!_started)
        {
            if (!_walker.Take((byte)'['))
                return Fail();
            _walker.SkipWhitespace();
        }
        if (_walker.Current == ']')
        {
            _started = true;
            _walker.Position++;
            return false;
        }
        if (_started)
        {
            if (!_walker.Take((byte)','))
                return Fail();
            _walker.SkipWhitespace();
        }
        _started = true;
        var value = _walker.Position;
        if (!_walker.SkipValue())
            return Fail();
        Value = Slice.Between(value, _walker.Position);
        return true;
    }

    private bool Fail()
    {
        Failed = true;
        return false;
    }
}
