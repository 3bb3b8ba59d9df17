namespace OrleansPd.Engines.Requests;

internal ref partial struct JsonWalker
{
    private bool SkipScalar()
    {
        switch (Current)
        {
            case (byte)'t':
                return SkipLiteral("true"u8);
            case (byte)'f':
                return SkipLiteral("false"u8);
            case (byte)'n':
                return SkipLiteral("null"u8);
            default:
                return SkipNumber();
        }
    }

    private bool SkipLiteral(ReadOnlySpan<byte> literal)
    {
        if (!_json[Position..].StartsWith(literal))
            return Fail(literal.StartsWith(_json[Position..]) ? JsonFault.Truncated : JsonFault.Literal, Position);
        Counts.Literals++;
        Position += literal.Length;
        return true;
    }

    private bool SkipNumber()
    {
        var json = _json;
        var start = Position;
        var at = start;
        if (at < json.Length && json[at] == '-')
            at++;
        if (at >= json.Length || json[at] is < (byte)'0' or > (byte)'9')
            return at == start ? Stop() : Fail(at >= json.Length ? JsonFault.Truncated : JsonFault.Number, start);
        at = json[at] == '0' ? at + 1 : Digits(json, at);
        var integer = true;
        if (at < json.Length && json[at] == '.')
        {
            integer = false;
            var digits = at + 1;
            at = Digits(json, digits);
            if (at == digits)
                return Fail(JsonFault.Number, start);
        }
        if (at < json.Length && json[at] is (byte)'e' or (byte)'E')
        {
            integer = false;
            var digits = at + 1;
            if (digits < json.Length && json[digits] is (byte)'+' or (byte)'-')
                digits++;
            at = Digits(json, digits);
            if (at == digits)
                return Fail(JsonFault.Number, start);
        }
        Counts.Numbers++;
        if (!integer)
            Counts.Fractions++;
        Position = at;
        return true;
    }

    private static int Digits(ReadOnlySpan<byte> json, int at)
    {
        while ((uint)at < (uint)json.Length && json[at] is >= (byte)'0' and <= (byte)'9')
            at++;
        return at;
    }
}
