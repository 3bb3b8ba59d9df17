namespace OrleansPd.Engines.Requests;

/// <summary>
/// Converts the recorded members of a well-formed body to facts, or to the reason for a 400. The rules follow the engines';
/// values that would crash an engine are refused.
/// </summary>
internal readonly ref partial struct FactReader(ReadOnlySpan<byte> body, ScanLimits limits, RequestShape shape)
{
    private readonly ReadOnlySpan<byte> _body = body;
    private readonly ScanLimits _limits = limits;
    private readonly RequestShape _shape = shape;

    public bool TryRead(out ScanError error)
    {
        error = default;
        return TryReadPrompt(ref error)
            && TryReadCommon(ref error)
            && (_shape.Dialect == Dialect.Generate ? TryReadGenerate(ref error) : TryReadOpenAi(ref error))
            && TryReadRid(ref error)
            && TryReadItemLists(ref error)
            && TryCheckFanOut(ref error);
    }

    private bool TryReadCommon(ref ScanError error)
    {
        if (Find(RequestMember.Stream) is >= 0 and var stream)
        {
            if (!JsonText.IsBoolean(Token(stream)))
                return Refuse(stream, "'stream' must be true, false or null.", ref error);
            _shape.Stream = JsonText.IsTrue(Token(stream));
        }
        if (Find(RequestMember.Model) is >= 0 and var model)
        {
            if (!JsonText.IsString(Token(model)))
                return Refuse(model, "'model' must be a string.", ref error);
            _shape.Model = Value(model);
        }
        ReadOnlySpan<RequestMember> sessions =
        [
            RequestMember.SessionId, RequestMember.SessionParams, RequestMember.User,
            RequestMember.ConversationId, RequestMember.RoutingKey, RequestMember.PromptCacheKey,
        ];
        foreach (var name in sessions)
        {
            if (Find(name) is >= 0 and var session && !Token(session).SequenceEqual("\"\""u8))
            {
                _shape.SessionKey = Value(session);
                break;
            }
        }
        return true;
    }

    private bool TryReadOpenAi(ref ScanError error)
    {
        if (Find(RequestMember.N) is >= 0 and var n)
        {
            if (!TryReadSamples(Token(n), out var samples))
                return Refuse(n, $"'n' must be an integer from 1 to {_limits.MaxSamples}.", ref error);
            _shape.Samples = samples;
        }
        if (Find(RequestMember.StreamOptions) is >= 0 and var options)
        {
            if (Token(options)[0] != '{')
                return Refuse(options, "'stream_options' must be an object or null.", ref error);
            _shape.IncludeUsage = JsonText.IsTrue(Inside(options, "include_usage"u8).Of(_body));
            _shape.ContinuousUsage = JsonText.IsTrue(Inside(options, "continuous_usage_stats"u8).Of(_body));
        }
        // Chat reads max_tokens only when max_completion_tokens is absent or 0; completions do not know the latter.
        if (_shape.Dialect != Dialect.Chat || !TrySetMaxNewTokens(Find(RequestMember.MaxCompletionTokens)))
            TrySetMaxNewTokens(Find(RequestMember.MaxTokens));
        var logprobs = _shape.Dialect == Dialect.Chat ? RequestMember.TopLogprobs : RequestMember.Logprobs;
        return TryCheckTopLogprobs(logprobs, ref error);
    }

    /// <summary>
    /// Refuses more top log probabilities than fit into the engines' transfer buffer, and values that they cannot read as a
    /// count: both raise in a prefill engine's scheduler, which ends the engine.
    /// </summary>
    private bool TryCheckTopLogprobs(RequestMember name, ref ScanError error)
    {
        if (Find(name) is not (>= 0 and var member))
            return true;
        if (name == RequestMember.TopLogprobsNum && Token(member)[0] == '[')
        {
            if (!TryReadList(member, ref error))
                return false;
            foreach (var item in ItemsOf(member))
            {
                if (!JsonText.IsNull(item.Of(_body)) && !TryCheckTopLogprobs(member, item, ref error))
                    return false;
            }
            return true;
        }
        return TryCheckTopLogprobs(member, Value(member), ref error);
    }

    private bool TryCheckTopLogprobs(int member, Slice value, ref ScanError error)
    {
        var name = RequestMemberNames.Spell(_shape.At(member).Name);
        if (!JsonText.TryGetInteger(value.Of(_body), out var count) || count < 0)
            return Refuse(member, $"'{name}' must be an integer that is not negative.", ref error, value.Start);
        if (count <= _limits.MaxTopLogprobs)
            return true;
        return Refuse(
            member,
            $"'{name}' is {count}, but at most {_limits.MaxTopLogprobs} are allowed: more than 128 would bring a prefill engine "
                + "down.",
            ref error, value.Start);
    }

    private bool TryCheckFanOut(ref ScanError error)
    {
        if (_shape.Samples == 1 || (long)_shape.Items * _shape.Samples <= _limits.MaxFanOut)
            return true;
        error = new(
            _shape.Prompt.Start,
            $"{_shape.Items} prompts with {_shape.Samples} samples each are more than the {_limits.MaxFanOut} answers allowed.",
            "n");
        return false;
    }

    private bool TryReadSamples(ReadOnlySpan<byte> token, out int samples)
    {
        var good = JsonText.TryGetInteger(token, out var n) && n >= 1 && n <= _limits.MaxSamples;
        samples = good ? (int)n : 1;
        return good;
    }

    private bool TrySetMaxNewTokens(int member)
    {
        if (member < 0 || !JsonText.TryGetInteger(Token(member), out var tokens) || tokens is <= 0 or > int.MaxValue)
            return false;
        _shape.MaxNewTokens = (int)tokens;
        return true;
    }

    private int Find(RequestMember name) => _shape.IndexOf(name, _body);

    private Slice Value(int member) => _shape.At(member).Value;

    private ReadOnlySpan<byte> Token(int member) => Value(member).Of(_body);

    private ReadOnlySpan<Slice> ItemsOf(int member) => _shape.ItemsOf(_shape.At(member));

    private Slice Inside(int member, ReadOnlySpan<byte> name) => JsonObjectReader.Find(_body, Value(member).Start, name);

    private bool Refuse(int member, string message, ref ScanError error, int offset = -1)
    {
        ref readonly var recorded = ref _shape.At(member);
        error = new(offset < 0 ? recorded.Value.Start : offset, message, RequestMemberNames.Spell(recorded.Name));
        return false;
    }
}
