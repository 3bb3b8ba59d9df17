using System.Text.Json.Nodes;

namespace OrleansPd.Engines.Answers;

/// <summary>
/// Records what the client of one stream has received, so that another pair can continue after a decode engine has failed. The
/// events of the first run (until the first resume) pass almost unchanged; those of later runs are rewritten so that the client
/// sees one stream: one id, one text, one usage. Used by one attempt at a time.
/// </summary>
/// <param name="dialect">The route.</param>
/// <param name="wantsUsage">The client asked for the usage chunk.</param>
/// <param name="wantsContinuousUsage">The client asked for usage on each chunk.</param>
internal sealed class StreamJournal(Dialect dialect, bool wantsUsage, bool wantsContinuousUsage) : IDisposable
{
    private readonly PooledBuffer _frame = new();
    private readonly StringBuilder _text = new();
    private readonly List<long> _ids = [];
    private string _before = "";
    private long[] _idsBefore = [];
    private int _run;
    private long _tokensBefore;
    private long _promptTokens;
    private long _tokens;
    private string? _id;
    private JsonNode? _created;
    private bool _broken;
    private (int Length, long Tokens, long PromptTokens, string? Id, JsonNode? Created, bool Broken, bool Finished) _mark;

    public bool HasBegun { get; private set; }

    /// <summary>The last text chunk was sent; only the end of the stream is missing.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>The stream has content that cannot be continued: reasoning, tool calls, or events that cannot be read.</summary>
    public bool IsBroken
    {
        get
        {
            ReadLastFrame();
            return _broken;
        }
    }

    public string Text
    {
        get
        {
            ReadLastFrame();
            return dialect == Dialect.Generate ? _before + _text : _text.ToString();
        }
    }

    /// <summary>Token ids that the client has received in all runs; native route only.</summary>
    public IReadOnlyList<long> OutputIds
    {
        get
        {
            ReadLastFrame();
            return [.. _idsBefore, .. _ids];
        }
    }

    public long Tokens
    {
        get
        {
            ReadLastFrame();
            return _tokensBefore + _tokens;
        }
    }

    public void Begin() => HasBegun = true;

    /// <summary>Marks the begin of an attempt, for <see cref="ForgetSinceMark"/>.</summary>
    public void Mark() => _mark = (_text.Length, _tokens, _promptTokens, _id, _created, _broken, IsFinished);

    /// <summary>
    /// Forgets the events since <see cref="Mark"/>: the attempt was decided before any of them reached the client.
    /// </summary>
    public void ForgetSinceMark()
    {
        (_text.Length, _tokens, _promptTokens, _id, _created, _broken, IsFinished) = _mark;
        _frame.Clear();
    }

    /// <summary>Begins the next run: its text follows the text so far.</summary>
    public void NextAttempt()
    {
        var (text, ids, tokens) = (Text, OutputIds, Tokens);
        (_before, _idsBefore, _tokensBefore) = (text, [.. ids], tokens);
        _tokens = 0;
        if (dialect == Dialect.Generate)
        {
            _text.Clear();
            _ids.Clear();
        }
        _frame.Clear();
        _run++;
    }

    /// <summary>Records one event of the engine and writes the event for the client, if any.</summary>
    /// <returns>False where the event is of a later run and cannot be read: nothing was written, and the stream must
    /// end.</returns>
    public bool Take(in SseEvent e, PooledBuffer output)
    {
        var before = output.Length;
        try
        {
            if (e.IsDone)
            {
                IsFinished = true;
                output.Write(e.Raw);
            }
            else if (dialect == Dialect.Generate)
            {
                TakeNative(e, output);
            }
            else
            {
                TakeChunk(e, output);
            }
            return true;
        }
        catch (Exception problem) when (Unreadable.Is(problem))
        {
            // JSON, but not what this route answers: in the first run it is relayed unchanged, as without a journal.
            _broken = true;
            output.Truncate(before);
            if (_run == 0)
                output.Write(e.Raw);
            return _run == 0;
        }
    }

    public void Dispose() => _frame.Dispose();

    private void TakeNative(in SseEvent e, PooledBuffer output)
    {
        // Events are cumulative: the last one holds all. It is parsed only when the engine fails.
        _frame.Clear();
        _frame.Write(e.Data);
        IsFinished = EventClassifier.Classify(e.Data, dialect).Kind is EventKind.Finish or EventKind.Abort;
        if (_run == 0)
        {
            output.Write(e.Raw);
            return;
        }
        var frame = JsonNode.Parse(e.Data)!.AsObject();
        frame["text"] = _before + (string?)frame["text"];
        if (frame["output_ids"] is JsonArray ids)
        {
            frame["output_ids"] = new JsonArray(
                [.. _idsBefore.Concat(ids.Select(id => (long)id!)).Select(id => JsonValue.Create(id))]);
        }
        if (frame["meta_info"] is JsonObject meta)
        {
            meta["id"] = _id;
            meta["prompt_tokens"] = _promptTokens;
            meta["completion_tokens"] = _tokensBefore + (long?)meta["completion_tokens"];
            if (meta["finish_reason"] is JsonObject { } reason && (string?)reason["type"] == "length"
                && reason["length"] is { } length)
            {
                reason["length"] = _tokensBefore + (long)length;
            }
        }
        Write(frame, output);
    }

    private void ReadLastFrame()
    {
        if (dialect != Dialect.Generate || _frame.Length == 0)
            return;
        try
        {
            var frame = JsonNode.Parse(_frame.Written.Span)!;
            var text = (string?)frame["text"];
            long[] ids = [.. (frame["output_ids"] as JsonArray ?? []).Select(id => (long)id!)];
            _tokens = (long?)frame["meta_info"]?["completion_tokens"] ?? ids.Length;
            if (_run == 0)
            {
                _promptTokens = (long?)frame["meta_info"]?["prompt_tokens"] ?? 0;
                _id = (string?)frame["meta_info"]?["id"];
            }
            _text.Clear().Append(text);
            _ids.Clear();
            _ids.AddRange(ids);
        }
        catch (Exception problem) when (Unreadable.Is(problem))
        {
            _broken = true;
        }
        _frame.Clear();
    }

    /// <summary>
    /// OpenAI chunks have usage because the gateway requested it, for the number of tokens. It is removed where the client did
    /// not request it.
    /// </summary>
    private void TakeChunk(in SseEvent e, PooledBuffer output)
    {
        var chunk = JsonNode.Parse(e.Data)!.AsObject();
        if (chunk["error"] is not null)
        {
            output.Write(e.Raw);
            return;
        }
        var usage = chunk["usage"] as JsonObject;
        var counted = (long?)usage?["completion_tokens"] ?? _tokens;
        if (_run == 0)
        {
            _promptTokens = (long?)usage?["prompt_tokens"] ?? _promptTokens;
            _id ??= (string?)chunk["id"];
            _created ??= chunk["created"]?.DeepClone();
        }
        else
        {
            chunk["id"] = _id;
            chunk["created"] = _created?.DeepClone();
            if (usage is not null)
            {
                usage["prompt_tokens"] = _promptTokens;
                usage["completion_tokens"] = _tokensBefore + counted;
                usage["total_tokens"] = _promptTokens + _tokensBefore + counted;
            }
        }
        if (chunk["choices"] is not JsonArray { Count: > 0 } choices)
        {
            if (wantsUsage || usage is null)
                Write(chunk, output);
            return;
        }
        var choice = choices[0]!.AsObject();
        var length = _text.Length;
        var opening = TakeText(choice);
        IsFinished |= choice["finish_reason"] is not null;
        if (_text.Length > length || IsFinished)
        {
            // An opening chunk, and one in the middle of a character, may count a token whose text follows later. The client does
            // not have that text, so the token must be generated again.
            _tokens = counted;
        }
        if (opening && _run > 0)
        {
            // The client has received its opening chunk in the first run.
            return;
        }
        if (!wantsContinuousUsage && usage is not null)
            chunk["usage"] = null;
        Write(chunk, output);
    }

    private bool TakeText(JsonObject choice)
    {
        if (dialect == Dialect.Completions)
        {
            _text.Append((string?)choice["text"]);
            return false;
        }
        var delta = choice["delta"] as JsonObject;
        _broken |= delta?["reasoning_content"] is not null || delta?["tool_calls"] is JsonArray { Count: > 0 };
        var content = (string?)delta?["content"];
        _text.Append(content);
        return delta?["role"] is not null && string.IsNullOrEmpty(content) && choice["finish_reason"] is null;
    }

    private static void Write(JsonNode node, PooledBuffer output)
    {
        output.Write("data: "u8);
        using (var json = new Utf8JsonWriter(output, JsonWriting.Options))
            node.WriteTo(json);
        output.Write("\n\n"u8);
    }
}
