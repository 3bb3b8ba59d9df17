namespace OrleansPd.Engines.Answers;

/// <summary>
/// Inserts the prompt's log probabilities, which only the prefill engine has, before those of the decode engine's answer:
/// <c>input_token_logprobs</c>, <c>input_top_logprobs</c> and <c>input_token_ids_logprobs</c> of
/// <c>meta_info</c>, each only where both answers have it as a list. All other bytes stay. One object serves one request.
/// Not thread-safe.
/// </summary>
public sealed class LogprobMerger
{
    private const int Lists = 3;

    private readonly Dictionary<int, byte[]?[]> _prefill = [];

    /// <summary>Whether a prefill answer with such lists was added.</summary>
    public bool HasPrefill => _prefill.Count > 0;

    /// <summary>
    /// Copies the lists of a prefill answer: an object, the array of a batch, or the payload of one stream event (<c>index</c> is
    /// its item). The first answer for an item counts.
    /// </summary>
    /// <param name="answer">JSON text; not referenced afterwards.</param>
    /// <returns>False if it is not readable or has no such lists.</returns>
    public bool AddPrefill(ReadOnlySpan<byte> answer)
    {
        if (!IsArray(answer))
            return AddOne(answer, 0, ItemOf(answer));
        var any = false;
        var list = new JsonArrayReader(answer, 0);
        for (var item = 0; list.Read(); item++)
            any |= AddOne(answer, list.Value.Start, item);
        return any;
    }

    /// <summary>Writes a decode answer, or the payload of one of its stream events, with the prefill's lists in front.</summary>
    /// <param name="decode">JSON text.</param>
    /// <param name="output">Gets the whole answer; unchanged where there is nothing to merge.</param>
    /// <returns>Whether anything was merged.</returns>
    public bool Write(ReadOnlySpan<byte> decode, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        var patch = new JsonPatch(decode, 0, output);
        var merged = false;
        if (!HasPrefill || !IsReadable(decode))
        {
            patch.CopyTo(decode.Length);
            return false;
        }
        if (IsArray(decode))
        {
            var list = new JsonArrayReader(decode, 0);
            for (var item = 0; list.Read(); item++)
                merged |= WriteOne(decode, list.Value.Start, item, ref patch, output);
        }
        else
        {
            merged = WriteOne(decode, 0, ItemOf(decode), ref patch, output);
        }
        patch.CopyTo(decode.Length);
        return merged;
    }

    private bool AddOne(ReadOnlySpan<byte> answer, int at, int item)
    {
        var meta = MetaOf(answer, at);
        if (meta.IsNone || _prefill.ContainsKey(item))
            return false;
        byte[]?[]? lists = null;
        var reader = new JsonObjectReader(answer, meta.Start);
        while (reader.Read())
        {
            if (ListOf(reader) is >= 0 and var list)
                (lists ??= new byte[]?[Lists])[list] = Inner(reader.Token).ToArray();
        }
        if (lists is not null && !reader.Failed)
            _prefill.Add(item, lists);
        return lists is not null;
    }

    private bool WriteOne(ReadOnlySpan<byte> decode, int at, int item, ref JsonPatch patch, IBufferWriter<byte> output)
    {
        var meta = MetaOf(decode, at);
        if (meta.IsNone || !_prefill.TryGetValue(item, out var lists))
            return false;
        var merged = false;
        var reader = new JsonObjectReader(decode, meta.Start);
        while (reader.Read())
        {
            if (ListOf(reader) is not (>= 0 and var list) || lists[list] is not { } front)
                continue;
            patch.CopyTo(reader.Value.Start + 1);
            output.Write(front);
            if (front.Length > 0 && !Inner(reader.Token).IsEmpty)
                output.Write(","u8);
            merged = true;
        }
        return merged;
    }

    private static int ListOf(in JsonObjectReader reader)
    {
        if (reader.Token[0] != '[')
            return -1;
        return reader.KeyIs("input_token_logprobs"u8) ? 0
            : reader.KeyIs("input_top_logprobs"u8) ? 1
            : reader.KeyIs("input_token_ids_logprobs"u8) ? 2 : -1;
    }

    private static Slice MetaOf(ReadOnlySpan<byte> answer, int at)
    {
        var meta = JsonObjectReader.Find(answer, at, "meta_info"u8);
        return meta.IsNone || answer[meta.Start] != '{' ? default : meta;
    }

    private static int ItemOf(ReadOnlySpan<byte> answer) =>
        JsonObjectReader.Find(answer, 0, "index"u8) is { IsNone: false } index
            && JsonText.TryGetInteger(index.Of(answer), out var item) && item is >= 0 and <= int.MaxValue ? (int)item : 0;

    private static bool IsArray(ReadOnlySpan<byte> text) => text.TrimStart(" \t\r\n"u8) is [(byte)'[', ..];

    /// <summary>A truncated answer is relayed unchanged; half-merged it could be mistaken for a complete one.</summary>
    private static bool IsReadable(ReadOnlySpan<byte> text)
    {
        var walker = new JsonWalker(text, 0, depth: 0, JsonWalker.DeepestNesting);
        walker.SkipWhitespace();
        return walker.SkipValue();
    }

    private static ReadOnlySpan<byte> Inner(ReadOnlySpan<byte> list) => list[1..^1].Trim(" \t\r\n"u8);
}
