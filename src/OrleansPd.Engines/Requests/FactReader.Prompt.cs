namespace OrleansPd.Engines.Requests;

internal readonly ref partial struct FactReader
{
    private bool TryReadPrompt(ref ScanError error)
    {
        var member = _shape.Dialect switch
        {
            Dialect.Chat => Find(RequestMember.Messages),
            Dialect.Completions => Find(RequestMember.Prompt),
            _ => FindGeneratePrompt(ref error),
        };
        if (error.Message is not null)
            return false;
        if (member < 0)
        {
            var (message, name) = _shape.Dialect switch
            {
                Dialect.Chat => ("'messages' is missing: a list of messages is needed.", "messages"),
                Dialect.Completions => ("'prompt' is missing.", "prompt"),
                _ => ("One of 'text', 'input_ids' and 'input_embeds' is needed.", "text"),
            };
            error = new(_shape.ObjectEnd, message, name);
            return false;
        }
        _shape.Prompt = Value(member);
        return _shape.At(member).Name switch
        {
            RequestMember.Messages => TryReadMessages(member, ref error),
            RequestMember.InputEmbeds => TryReadEmbeds(member, ref error),
            RequestMember.InputIds => TryReadIds(member, ref error),
            RequestMember.Prompt when Token(member)[0] == '[' && FirstByteInside(member) is not ((byte)'"' or (byte)']') =>
                TryReadIds(member, ref error),
            _ => TryReadText(member, ref error),
        };
    }

    /// <summary>
    /// Of two inputs engines use text before ids before embeddings; they refuse all three at once.
    /// </summary>
    private int FindGeneratePrompt(ref ScanError error)
    {
        var text = Find(RequestMember.Text);
        var ids = Find(RequestMember.InputIds);
        var embeds = Find(RequestMember.InputEmbeds);
        if (text >= 0 && ids >= 0 && embeds >= 0)
            Refuse(text, "Only one of 'text', 'input_ids' and 'input_embeds' may be given.", ref error);
        return text >= 0 ? text : ids >= 0 ? ids : embeds;
    }

    private bool TryReadMessages(int member, ref ScanError error)
    {
        ref readonly var counts = ref _shape.At(member).Counts;
        if (Token(member)[0] != '[')
            return Refuse(member, "'messages' must be a list of messages.", ref error);
        if (FirstByteInside(member) == ']')
            return Refuse(member, "'messages' must not be empty.", ref error);
        if (counts.Objects == 0)
            return Refuse(member, "'messages' must be a list of objects.", ref error);
        _shape.PromptKind = PromptKind.Messages;
        _shape.PromptTokensEstimate = TokensOf(_shape.Prompt.Length);
        return true;
    }

    private bool TryReadText(int member, ref ScanError error)
    {
        var name = RequestMemberNames.Spell(_shape.At(member).Name);
        ref readonly var counts = ref _shape.At(member).Counts;
        if (Token(member)[0] == '"')
        {
            _shape.PromptKind = PromptKind.Text;
            _shape.PromptTokensEstimate = TokensOf(_shape.Prompt.Length - 2);
            return true;
        }
        if (Token(member)[0] != '[')
            return Refuse(member, TextForms(name), ref error);
        if (FirstByteInside(member) == ']')
            return Refuse(member, $"'{name}' must not be an empty list.", ref error);
        if (counts.Numbers + counts.Literals + counts.Objects > 0 || counts.Arrays > 1)
            return Refuse(member, TextForms(name), ref error);
        if (!TrySetBatch(member, PromptKind.TextList, counts.Strings, ref error))
            return false;
        foreach (var item in ItemsOf(member))
            _shape.PromptTokensEstimate += TokensOf(item.Length - 2);
        return true;
    }

    private bool TryReadIds(int member, ref ScanError error)
    {
        var name = RequestMemberNames.Spell(_shape.At(member).Name);
        ref readonly var counts = ref _shape.At(member).Counts;
        if (Token(member)[0] != '[' || counts.Strings + counts.Literals + counts.Objects + counts.Fractions > 0)
            return Refuse(member, IdForms(name), ref error);
        if (FirstByteInside(member) == ']')
            return Refuse(member, $"'{name}' must not be an empty list.", ref error);
        _shape.PromptTokensEstimate = counts.Numbers;
        if (counts.Arrays == 1)
        {
            _shape.PromptKind = PromptKind.Ids;
            return true;
        }
        if (!TrySetBatch(member, PromptKind.IdsList, counts.Arrays - 1, ref error))
            return false;
        // As many elements as inner lists, and each element a list: nothing is nested deeper or left over.
        var items = ItemsOf(member);
        foreach (var item in items)
        {
            if (_body[item.Start] != '[' || items.Length != counts.Arrays - 1)
                return Refuse(member, IdForms(name), ref error, item.Start);
            if (item.Of(_body)[1..^1].IndexOfAnyExcept(" \t\r\n"u8) < 0)
                return Refuse(member, $"'{name}' must not hold an empty list.", ref error, item.Start);
        }
        return true;
    }

    private bool TryReadEmbeds(int member, ref ScanError error)
    {
        const string Forms = "'input_embeds' must be a list of vectors (lists of numbers), or a list of such lists.";
        ref readonly var counts = ref _shape.At(member).Counts;
        if (Token(member)[0] != '[' || counts.Strings + counts.Literals + counts.Objects > 0)
            return Refuse(member, Forms, ref error);
        // As in the engine, the type of the first element of the first element decides.
        var first = new JsonArrayReader(_body, _shape.Prompt.Start);
        if (!first.Read() || first.Token[0] != '[')
            return Refuse(member, Forms, ref error);
        var inner = new JsonArrayReader(_body, first.Value.Start);
        if (!inner.Read())
            return Refuse(member, Forms, ref error);
        if (inner.Token[0] != '[')
        {
            _shape.PromptKind = PromptKind.Embeds;
            _shape.PromptTokensEstimate = counts.Arrays - 1;
            return true;
        }
        if (!TrySetBatch(member, PromptKind.EmbedsList, max: int.MaxValue, ref error))
            return false;
        _shape.PromptTokensEstimate = Math.Max(1, counts.Arrays - 1 - _shape.Items);
        return true;
    }

    /// <param name="max">An upper bound of the items that is known without splitting, so that a huge list is not
    /// split.</param>
    private bool TrySetBatch(int member, PromptKind kind, int max, ref ScanError error)
    {
        var name = RequestMemberNames.Spell(_shape.At(member).Name);
        var items = max <= _limits.MaxBatch || max == int.MaxValue ? Split(member) : max;
        if (items > _limits.MaxBatch)
            return Refuse(member, $"'{name}' has {items} prompts, but at most {_limits.MaxBatch} are allowed.", ref error);
        _shape.PromptKind = kind;
        _shape.IsBatch = true;
        _shape.Items = items;
        return true;
    }

    private byte FirstByteInside(int member) => Token(member)[1..].TrimStart(" \t\r\n"u8)[0];

    private static long TokensOf(int bytes) => Math.Max(1, ((long)bytes + 3) / 4);

    private static string TextForms(string name) => name == "prompt"
        ? "'prompt' must be a string, a list of strings, a list of token ids or a list of such lists."
        : $"'{name}' must be a string or a list of strings.";

    private static string IdForms(string name) => name == "prompt"
        ? "'prompt' must be a string, a list of strings, a list of token ids or a list of such lists."
        : $"'{name}' must be a list of integers or a list of such lists.";
}
