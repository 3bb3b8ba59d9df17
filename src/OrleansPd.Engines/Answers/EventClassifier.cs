namespace OrleansPd.Engines.Answers;

/// <summary>Classifies an event or a whole answer of an engine, without building a tree.</summary>
public static class EventClassifier
{
    /// <summary>
    /// Whether <see cref="Classify"/> may return <see cref="EventKind.Error"/> or <see cref="EventKind.Abort"/>. Has false
    /// positives, no false negatives. A search over bytes: cheap enough for every event of a stream.
    /// </summary>
    /// <param name="data">The payload of the event, or the whole raw event.</param>
    public static bool MayBeError(ReadOnlySpan<byte> data)
    {
        // Both words are searched with their quotes, which are escaped inside generated text. No serializer escapes letters, but
        // a member name that did would begin with this.
        return data.IndexOf("\"error\""u8) >= 0 || data.IndexOf("\"abort\""u8) >= 0
            || data.IndexOf("\\u006"u8) >= 0 || data.IndexOf("\\u007"u8) >= 0;
    }

    /// <summary>
    /// Whether the payload is a JSON object in valid UTF-8. Each event is checked, so that corrupt data never reaches a client;
    /// the check costs 0.1 µs for an ordinary chunk.
    /// </summary>
    /// <param name="data">The payload, without <c>data: </c>.</param>
    public static bool IsObject(ReadOnlySpan<byte> data)
    {
        data = data.Trim(" \t\r\n"u8);
        if (data.IsEmpty || data[0] != '{')
            return false;
        var walker = new JsonWalker(data, 0, 0, JsonWalker.DeepestNesting);
        return walker.SkipValue() && walker.AtEnd && (Ascii.IsValid(data) || System.Text.Unicode.Utf8.IsValid(data));
    }

    /// <summary>Classifies the payload of one event.</summary>
    /// <param name="data">The payload, without <c>data: </c>.</param>
    /// <param name="dialect">The route it answers.</param>
    public static EventFacts Classify(ReadOnlySpan<byte> data, Dialect dialect)
    {
        data = data.Trim(" \t\r\n"u8);
        if (data.SequenceEqual("[DONE]"u8))
            return new(EventKind.Done);
        if (!Members.TryRead(data, out var members) || (!Ascii.IsValid(data) && !System.Text.Unicode.Utf8.IsValid(data)))
            return new(EventKind.Malformed);
        if (!members.Error.IsNone && !JsonText.IsNull(members.Error.Of(data)))
            return ErrorBody.ReadError(data, members.Error);
        if (members.IsFlatError)
            return new(EventKind.Error, ErrorBody.Text(members.Message.Of(data)), ErrorBody.Integer(members.Code.Of(data)));
        if (dialect == Dialect.Generate)
            return OfGenerate(data, members.Meta, members.HasOutput);
        return members.Choices.IsNone || data[members.Choices.Start] != '['
            ? new(EventKind.Malformed)
            : OfChoices(data, members.Choices, members.Usage, dialect);
    }

    /// <summary>Reads <c>meta_info.finish_reason</c> of one native answer.</summary>
    internal static EventFacts OfGenerate(ReadOnlySpan<byte> data, Slice meta, bool generated)
    {
        var reason = meta.IsNone || data[meta.Start] != '{' ? default
            : JsonObjectReader.Find(data, meta.Start, "finish_reason"u8);
        if (reason.IsNone)
            return new(generated || !meta.IsNone ? EventKind.Content : EventKind.Malformed);
        if (data[reason.Start] != '{')
            return OfReason(ErrorBody.Text(reason.Of(data)), null, null);
        var type = JsonObjectReader.Find(data, reason.Start, "type"u8);
        return OfReason(
            ErrorBody.Text(type.Of(data)),
            ErrorBody.Text(JsonObjectReader.Find(data, reason.Start, "message"u8).Of(data)),
            ErrorBody.Integer(JsonObjectReader.Find(data, reason.Start, "status_code"u8).Of(data)));
    }

    private static EventFacts OfChoices(ReadOnlySpan<byte> data, Slice choices, Slice usage, Dialect dialect)
    {
        var content = false;
        var any = false;
        EventFacts finish = default;
        var list = new JsonArrayReader(data, choices.Start);
        while (list.Read())
        {
            any = true;
            var choice = new JsonObjectReader(data, list.Value.Start);
            while (choice.Read())
            {
                if (choice.KeyIs("finish_reason"u8))
                {
                    if (JsonText.IsNull(choice.Token))
                        continue;
                    var facts = OfReason(ErrorBody.Text(choice.Token), null, null);
                    if (finish.Kind != EventKind.Abort)
                        finish = facts;
                }
                else if (choice.KeyIs("delta"u8) || choice.KeyIs("message"u8))
                {
                    content |= Generates(data, choice.Value);
                }
                else if (choice.KeyIs("text"u8))
                {
                    content = true;
                }
            }
            if (choice.Failed)
                return new(EventKind.Malformed);
        }
        if (finish.Kind is EventKind.Abort or EventKind.Finish)
            return finish;
        if (content)
            return new(EventKind.Content);
        if (any)
            return new(dialect == Dialect.Chat ? EventKind.RoleOnly : EventKind.Content);
        return new(usage.IsNone || JsonText.IsNull(usage.Of(data)) ? EventKind.Other : EventKind.Usage);
    }

    /// <summary>A delta has content unless it consists of the role, nulls and empty values.</summary>
    private static bool Generates(ReadOnlySpan<byte> data, Slice delta)
    {
        var reader = new JsonObjectReader(data, delta.Start);
        while (reader.Read())
        {
            if (!reader.KeyIs("role"u8) && !JsonText.IsNull(reader.Token)
                && !reader.Token.SequenceEqual("\"\""u8) && !reader.Token.SequenceEqual("[]"u8))
            {
                return true;
            }
        }
        return false;
    }

    private static EventFacts OfReason(string? type, string? message, int? code) =>
        type == "abort" ? new(EventKind.Abort, message, code) : new(EventKind.Finish, Reason: type ?? "unknown");

    /// <summary>The members of an event that decide its meaning.</summary>
    private struct Members
    {
        public Slice Error, Message, Code, Meta, Choices, Usage;

        /// <summary>The event is a flat error: <c>"object": "error"</c>.</summary>
        public bool IsFlatError;

        /// <summary>The event has <c>text</c> or <c>output_ids</c>.</summary>
        public bool HasOutput;

        /// <returns>False where the data is not one complete object.</returns>
        public static bool TryRead(ReadOnlySpan<byte> data, out Members members)
        {
            members = default;
            var reader = new JsonObjectReader(data, 0);
            while (reader.Read())
            {
                if (reader.KeyIs("choices"u8))
                    members.Choices = reader.Value;
                else if (reader.KeyIs("meta_info"u8))
                    members.Meta = reader.Value;
                else if (reader.KeyIs("usage"u8))
                    members.Usage = reader.Value;
                else if (reader.KeyIs("error"u8))
                    members.Error = reader.Value;
                else if (reader.KeyIs("message"u8))
                    members.Message = reader.Value;
                else if (reader.KeyIs("code"u8))
                    members.Code = reader.Value;
                else if (reader.KeyIs("object"u8))
                    members.IsFlatError = JsonText.KeyIs(reader.Token.Trim((byte)'"'), "error"u8);
                else if (reader.KeyIs("text"u8) || reader.KeyIs("output_ids"u8))
                    members.HasOutput = true;
            }
            return !reader.Failed && reader.End == data.Length;
        }
    }
}
