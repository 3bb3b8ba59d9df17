namespace OrleansPd.Engines.Requests;

/// <summary>
/// Reads a client's JSON request in one forward pass: checks that it is well formed and finds what the gateway's decision
/// needs. No tree is built and nothing is allocated unless the body is refused or has lists longer than any before.
/// </summary>
public static class RequestScanner
{
    /// <summary>
    /// Recorded members of one body. A legal body has each at most once; the bound keeps a body of a million copies from
    /// growing the reused lists without limit.
    /// </summary>
    private const int MaxRecorded = 512;

    /// <summary>Scans a body.</summary>
    /// <param name="body">The whole body, UTF-8, without a byte order mark.</param>
    /// <param name="dialect">The route of the request.</param>
    /// <param name="limits">Maximum sizes.</param>
    /// <param name="shape">Receives the facts; its former content is dropped. Undefined after a failure.</param>
    /// <param name="error">Why the body is refused.</param>
    /// <returns>False if the body must be answered with 400.</returns>
    public static bool TryScan(
        ReadOnlySpan<byte> body, Dialect dialect, ScanLimits limits, RequestShape shape, out ScanError error)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(shape);
        shape.Reset();
        shape.Dialect = dialect;
        error = default;
        if (!Utf8Check.IsValid(body))
        {
            error = new(FirstInvalid(body), "The request body is not valid UTF-8.", null);
            return false;
        }
        if (!TryWalk(body, limits, shape, ref error))
            return false;
        shape.SetCuts(RequestMemberNames.NotForClients);
        return new FactReader(body, limits, shape).TryRead(out error);
    }

    private static bool TryWalk(ReadOnlySpan<byte> body, ScanLimits limits, RequestShape shape, ref ScanError error)
    {
        var walker = new JsonWalker(body, position: 0, depth: 1, limits.MaxDepth);
        walker.SkipWhitespace();
        if (walker.AtEnd)
        {
            error = new(walker.Position, "The request body is empty; a JSON object is expected.", null);
            return false;
        }
        if (walker.Current != '{')
        {
            error = new(walker.Position, "The request body must be a JSON object.", null);
            return false;
        }
        walker.Position++;
        if (!TryWalkMembers(body, ref walker, limits, shape, ref error))
        {
            if (error.Message is null)
                error = Describe(walker, limits);
            return false;
        }
        walker.SkipWhitespace();
        if (walker.AtEnd)
            return true;
        error = new(walker.Position, "There is more text behind the end of the JSON object.", null);
        return false;
    }

    private static bool TryWalkMembers(
        ReadOnlySpan<byte> body, ref JsonWalker walker, ScanLimits limits, RequestShape shape, ref ScanError error)
    {
        walker.SkipWhitespace();
        var previousEnd = -1;
        var recordedBefore = false;
        for (var ordinal = 0; walker.Current != '}' || previousEnd >= 0; ordinal++)
        {
            var start = walker.Position;
            if (recordedBefore)
                shape.Last.Follow = start;
            if (!TryTakeKey(body, ref walker, out var key, out var name))
                return false;
            var before = walker.Counts;
            var value = walker.Position;
            if (!walker.SkipValue())
                return false;
            recordedBefore = name != RequestMember.None;
            if (recordedBefore)
            {
                var member = new RecordedMember
                {
                    Name = name,
                    Ordinal = ordinal,
                    Start = start,
                    Key = key,
                    Value = Slice.Between(value, walker.Position),
                    PreviousEnd = previousEnd,
                    Follow = -1,
                    Counts = walker.Counts - before,
                };
                if (!TryRecord(shape, member, ref error))
                    return false;
            }
            previousEnd = walker.Position;
            shape.MemberCount = ordinal + 1;
            walker.SkipWhitespace();
            if (walker.Current != ',')
                break;
            walker.Position++;
            walker.SkipWhitespace();
        }
        shape.ObjectEnd = walker.Position;
        return walker.Take((byte)'}');
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryTakeKey(ReadOnlySpan<byte> body, ref JsonWalker walker, out Slice key, out RequestMember name)
    {
        (key, name) = (default, RequestMember.None);
        var start = walker.Position;
        if (!walker.SkipString())
            return false;
        key = Slice.Between(start + 1, walker.Position - 1);
        name = RequestMemberNames.Find(key.Of(body), walker.Escaped);
        walker.SkipWhitespace();
        if (!walker.Take((byte)':'))
            return false;
        walker.SkipWhitespace();
        return true;
    }

    private static bool TryRecord(RequestShape shape, in RecordedMember member, ref ScanError error)
    {
        if (shape.Members.Length == MaxRecorded)
        {
            var name = RequestMemberNames.Spell(member.Name);
            error = new(member.Start, $"The member '{name}' and others are repeated too often.", name);
            return false;
        }
        shape.Record() = member;
        return true;
    }

    private static ScanError Describe(in JsonWalker walker, ScanLimits limits)
    {
        var at = walker.Position;
        return new(at, walker.Fault switch
        {
            JsonFault.Truncated => "The request body ends in the middle of the JSON text.",
            JsonFault.TooDeep => $"The JSON text is nested deeper than {limits.MaxDepth} levels (at byte {at}).",
            JsonFault.ControlCharacter => $"A string holds a control character that is not escaped (at byte {at}).",
            JsonFault.Escape => $"A string holds an escape that JSON does not know (at byte {at}).",
            JsonFault.Number => $"A number is not written as JSON demands (at byte {at}).",
            JsonFault.Literal => $"Only true, false and null may be written without quotes (at byte {at}).",
            _ => $"The request body is not valid JSON (unexpected character at byte {at}).",
        }, null);
    }

    private static int FirstInvalid(ReadOnlySpan<byte> body)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(body[at..], out _, out var used) == System.Buffers.OperationStatus.Done)
            at += used;
        return at;
    }
}
