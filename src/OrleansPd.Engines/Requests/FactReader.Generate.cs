namespace OrleansPd.Engines.Requests;

/// <content>Members of the native route only.</content>
internal readonly ref partial struct FactReader
{
    private bool TryReadGenerate(ref ScanError error)
    {
        if (Find(RequestMember.SamplingParams) is >= 0 and var parameters && !TryReadSamplingParams(parameters, ref error))
            return false;
        if (Find(RequestMember.ReturnLogprob) is >= 0 and var logprob)
        {
            if (Token(logprob)[0] == '[')
            {
                if (!TryReadList(logprob, ref error))
                    return false;
                foreach (var item in ItemsOf(logprob))
                {
                    if (!JsonText.IsBoolean(item.Of(_body)) && !JsonText.IsNull(item.Of(_body)))
                        return Refuse(logprob, "'return_logprob' must be a boolean, a list of booleans or null.", ref error);
                    _shape.ReturnLogprob |= JsonText.IsTrue(item.Of(_body));
                }
            }
            else if (!JsonText.IsBoolean(Token(logprob)))
            {
                return Refuse(logprob, "'return_logprob' must be a boolean, a list of booleans or null.", ref error);
            }
            else
            {
                _shape.ReturnLogprob = JsonText.IsTrue(Token(logprob));
            }
        }
        if (Find(RequestMember.LogprobStartLen) is >= 0 and var start)
        {
            if (Token(start)[0] == '[' ? !TryReadList(start, ref error) : !JsonText.TryGetInteger(Token(start), out _))
            {
                return error.Message is null
                    ? Refuse(start, "'logprob_start_len' must be an integer, a list of integers or null.", ref error) : false;
            }
        }
        return TryCheckTopLogprobs(RequestMember.TopLogprobsNum, ref error);
    }

    private bool TryReadSamplingParams(int parameters, ref ScanError error)
    {
        var token = Token(parameters);
        if (token[0] == '{')
            return TryReadOneSamplingParams(parameters, Value(parameters), first: true, ref error);
        if (token[0] != '[')
            return Refuse(parameters, "'sampling_params' must be an object, a list of objects or null.", ref error);
        if (!TryReadList(parameters, ref error))
            return false;
        var first = true;
        foreach (var item in ItemsOf(parameters))
        {
            if (_body[item.Start] != '{')
                return Refuse(parameters, "'sampling_params' must be an object, a list of objects or null.", ref error);
            if (!TryReadOneSamplingParams(parameters, item, first, ref error))
                return false;
            first = false;
        }
        return true;
    }

    private bool TryReadOneSamplingParams(int parameters, Slice value, bool first, ref ScanError error)
    {
        Slice n = default, maxNew = default;
        var reader = new JsonObjectReader(_body, value.Start);
        while (reader.Read())
        {
            if (reader.KeyIs("n"u8))
                n = reader.Value;
            else if (reader.KeyIs("max_new_tokens"u8))
                maxNew = reader.Value;
        }
        var samples = 1;
        if (!n.IsNone && !JsonText.IsNull(n.Of(_body)) && !TryReadSamples(n.Of(_body), out samples))
        {
            return Refuse(
                parameters, $"'sampling_params.n' must be an integer from 1 to {_limits.MaxSamples}.", ref error, n.Start);
        }
        if (!first && samples != _shape.Samples)
            return Refuse(parameters, "'n' must be the same in all elements of 'sampling_params'.", ref error, value.Start);
        _shape.Samples = samples;
        if (!maxNew.IsNone && JsonText.TryGetInteger(maxNew.Of(_body), out var tokens) && tokens is >= 0 and <= int.MaxValue)
            _shape.MaxNewTokens = Math.Max(_shape.MaxNewTokens, (int)tokens);
        return true;
    }
}
