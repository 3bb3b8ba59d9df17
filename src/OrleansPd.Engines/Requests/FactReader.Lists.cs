namespace OrleansPd.Engines.Requests;

internal readonly ref partial struct FactReader
{
    /// <summary>Engines treat a rid with this prefix as a probe and drop it while they are busy.</summary>
    private const string ProbePrefix = "HEALTH_CHECK";

    private bool TryReadRid(ref ScanError error)
    {
        if (Find(RequestMember.Rid) is not (>= 0 and var rid))
            return true;
        _shape.Rid = Value(rid);
        if (Token(rid)[0] != '[')
        {
            _shape.RidKind = RidKind.String;
            return TryCheckRid(rid, Value(rid), out _, ref error);
        }
        if (!TryReadList(rid, ref error))
            return false;
        _shape.RidKind = RidKind.List;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in ItemsOf(rid))
        {
            if (!TryCheckRid(rid, item, out var text, ref error))
                return false;
            if (!seen.Add(text))
                return Refuse(rid, $"Duplicate request IDs detected within the request: ['{text}'].", ref error, item.Start);
        }
        return true;
    }

    private bool TryCheckRid(int rid, Slice value, out string text, ref ScanError error)
    {
        text = "";
        var token = value.Of(_body);
        if (token[0] != '"')
        {
            return Refuse(rid, "'rid' must be a string, a list with one string for each prompt, or null.", ref error,
                value.Start);
        }
        // The common case, one id without escapes, allocates no string.
        if (_shape.RidKind == RidKind.String && !token.Contains((byte)'\\'))
        {
            if (token.Length == 2)
                return Refuse(rid, "'rid' must not be empty.", ref error);
            return !token.StartsWith("\"HEALTH_CHECK"u8) || RefuseProbe(rid, value, ref error);
        }
        if (!JsonText.TryGetString(token, out var decoded))
            return Refuse(rid, "'rid' holds an escape that is no character.", ref error, value.Start);
        text = decoded;
        if (text.Length == 0)
            return Refuse(rid, "'rid' must not be empty.", ref error, value.Start);
        return !text.StartsWith(ProbePrefix, StringComparison.Ordinal) || RefuseProbe(rid, value, ref error);
    }

    private bool RefuseProbe(int rid, Slice value, ref ScanError error) =>
        Refuse(rid, "'rid' must not begin with HEALTH_CHECK: engines drop such requests while they are busy.", ref error,
            value.Start);

    /// <summary>Splits the lists with one element for each prompt, so that single requests can take their element.</summary>
    private bool TryReadItemLists(ref ScanError error)
    {
        if (!_shape.IsBatch)
            return true;
        ReadOnlySpan<RequestMember> perItem = _shape.Dialect == Dialect.Generate
            ? [
                RequestMember.TokenIdsLogprob, RequestMember.LoraPath, RequestMember.ImageData, RequestMember.VideoData,
                RequestMember.AudioData, RequestMember.CustomLogitProcessor, RequestMember.ReturnHiddenStates,
                RequestMember.ExtraKey, RequestMember.CacheSalt, RequestMember.SessionParams,
            ]
            : [RequestMember.LoraPath, RequestMember.CustomLogitProcessor, RequestMember.ExtraKey, RequestMember.CacheSalt];
        foreach (var name in perItem)
        {
            if (Find(name) is not (>= 0 and var member) || Token(member)[0] != '[')
                continue;
            // A flat list of token ids applies to every prompt, and so does an empty list (for example no images).
            ref readonly var counts = ref _shape.At(member).Counts;
            if ((name == RequestMember.TokenIdsLogprob && counts.Arrays == 1) || FirstByteInside(member) == ']')
                continue;
            if (!TryReadList(member, ref error))
                return false;
        }
        return true;
    }

    /// <summary>
    /// Splits a list that must have exactly one element for each prompt. A single request must not have such a list: engines
    /// do not split it, and their schedulers crash on it.
    /// </summary>
    private bool TryReadList(int member, ref ScanError error)
    {
        var name = RequestMemberNames.Spell(_shape.At(member).Name);
        if (!_shape.IsBatch)
            return Refuse(member, $"'{name}' must not be a list when there is a single prompt.", ref error);
        var count = Split(member);
        return count == _shape.Items || Refuse(
            member, $"'{name}' has {count} elements, but there are {_shape.Items} prompts.", ref error);
    }

    private int Split(int member)
    {
        ref var recorded = ref _shape.At(member);
        recorded.ItemsStart = _shape.ItemsStart;
        var reader = new JsonArrayReader(_body, recorded.Value.Start);
        while (reader.Read())
            _shape.AddItem(reader.Value);
        return recorded.ItemCount = _shape.ItemsStart - recorded.ItemsStart;
    }
}
