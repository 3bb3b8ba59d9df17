namespace OrleansPd.Engines.Requests;

/// <summary>
/// Makes the legs' bodies from the client's body: members that belong to the gateway are removed and written before the closing
/// brace, everything else stays byte for byte.
/// </summary>
public static class BodySplicer
{
    private static readonly RequestMember[] PerItem =
    [
        RequestMember.ReturnLogprob, RequestMember.LogprobStartLen, RequestMember.TopLogprobsNum, RequestMember.TokenIdsLogprob,
        RequestMember.LoraPath, RequestMember.ImageData, RequestMember.VideoData, RequestMember.AudioData,
        RequestMember.CustomLogitProcessor, RequestMember.ReturnHiddenStates, RequestMember.ExtraKey,
        RequestMember.SessionParams, RequestMember.CacheSalt,
    ];

    /// <summary>The whole request for one leg.</summary>
    /// <param name="body">The bytes that were scanned; they must live as long as the result.</param>
    /// <param name="shape">What the scan found.</param>
    /// <param name="members">What to add. A batch takes <see cref="LegMembers.Rooms"/>, a single request
    /// <see cref="LegMembers.Room"/>.</param>
    /// <exception cref="ArgumentException">Rooms or request ids do not fit the request: such a body could crash an
    /// engine.</exception>
    public static SplicedBody Splice(ReadOnlyMemory<byte> body, RequestShape shape, in LegMembers members)
    {
        ArgumentNullException.ThrowIfNull(shape);
        Check(members, shape.IsBatch, shape.Items);
        var editor = new BodyEditor(body.Span);
        var dropped = RequestMemberNames.NotForClients;
        if (members.Rid is not null || !members.Rids.IsEmpty)
            dropped |= 1UL << (int)RequestMember.Rid;
        if (members.LoraPath is not null)
            dropped |= 1UL << (int)RequestMember.LoraPath;
        return Finish(body, shape, members, shape.IsBatch, dropped, ref editor);
    }

    /// <summary>
    /// One sample of one prompt as a single request: the prompt and every list with one element for each prompt are replaced by
    /// their element, <c>n</c> by 1, and a seed by seed + sample so that the samples differ.
    /// </summary>
    /// <param name="body">The bytes that were scanned; they must live as long as the result.</param>
    /// <param name="shape">What the scan found.</param>
    /// <param name="item">Index of the prompt, 0 to <see cref="RequestShape.Items"/> - 1.</param>
    /// <param name="sample">Index of the sample, 0 to <see cref="RequestShape.Samples"/> - 1.</param>
    /// <param name="members">
    /// What to add; <see cref="LegMembers.Room"/> and <see cref="LegMembers.Rid"/>, not their lists. Without a rid the client's
    /// stays (of a list its element): legal for one part only, as engines refuse a second request with a rid that is live.
    /// </param>
    /// <exception cref="ArgumentException">The room or the request id does not fit.</exception>
    public static SplicedBody SpliceSample(
        ReadOnlyMemory<byte> body, RequestShape shape, int item, int sample, in LegMembers members)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)item, (uint)shape.Items, nameof(item));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)sample, (uint)shape.Samples, nameof(sample));
        Check(members, batch: false, items: 1);
        var span = body.Span;
        var editor = new BodyEditor(span);
        var dropped = RequestMemberNames.NotForClients;
        if (members.Rid is not null)
            dropped |= 1UL << (int)RequestMember.Rid;
        else if (shape.RidKind == RidKind.List)
            editor.Narrow(shape.Rid, shape.RidItems[item]);
        if (members.LoraPath is not null)
            dropped |= 1UL << (int)RequestMember.LoraPath;
        if (shape.IsBatch)
            editor.Narrow(shape.Prompt, shape.PromptItems[item]);
        foreach (var name in PerItem)
        {
            if ((dropped & (1UL << (int)name)) == 0 && shape.TryFindMember(name, out var list)
                && shape.ItemsOf(name) is { Length: > 0 } elements)
            {
                editor.Narrow(list.Value, elements[item]);
            }
        }
        if (shape.Dialect == Dialect.Generate)
        {
            if (shape.TryFindMember(RequestMember.SamplingParams, out var parameters)
                && !JsonText.IsNull(parameters.Value.Of(span)))
            {
                var own = parameters.Value;
                if (shape.SamplingParamItems is { Length: > 0 } elements)
                {
                    own = elements[item];
                    editor.Narrow(parameters.Value, own);
                }
                SetSample(ref editor, span, sample, JsonObjectReader.Find(span, own.Start, "n"u8),
                    JsonObjectReader.Find(span, own.Start, "sampling_seed"u8));
            }
        }
        else
        {
            SetSample(ref editor, span, sample, NotNull(shape, span, RequestMember.N), NotNull(shape, span, RequestMember.Seed));
        }
        return Finish(body, shape, members, batch: false, dropped, ref editor);
    }

    private static void SetSample(ref BodyEditor editor, ReadOnlySpan<byte> body, int sample, Slice n, Slice seed)
    {
        if (!n.IsNone && !n.Of(body).SequenceEqual("1"u8))
        {
            var start = editor.OwnLength;
            editor.Write("1"u8);
            editor.Replace(n, start);
        }
        if (sample > 0 && !seed.IsNone && JsonText.TryGetInteger(seed.Of(body), out var value))
        {
            // At the upper end of the range the seed can only decrease.
            var start = editor.OwnLength;
            editor.Write(value > long.MaxValue - sample ? value - sample : value + sample);
            editor.Replace(seed, start);
        }
    }

    private static Slice NotNull(RequestShape shape, ReadOnlySpan<byte> body, RequestMember name) =>
        shape.TryFindMember(name, out var member) && !JsonText.IsNull(member.Value.Of(body)) ? member.Value : default;

    private static SplicedBody Finish(
        ReadOnlyMemory<byte> body, RequestShape shape, in LegMembers members, bool batch, ulong dropped, ref BodyEditor editor)
    {
        var cuts = new CutPlan(shape.Members, dropped);
        while (cuts.Next(out var cut))
            editor.Remove(cut);
        var insertion = editor.OwnLength;
        var separator = shape.MemberCount > cuts.Removed ? ","u8 : default;
        if (members.BootstrapHost is not null)
        {
            editor.Write(separator);
            editor.Write("\"bootstrap_host\":"u8);
            editor.WriteString(members.BootstrapHost);
            editor.Write(",\"bootstrap_port\":"u8);
            if (members.BootstrapPort is { } port)
                editor.Write(port);
            else
                editor.Write("null"u8);
            editor.Write(",\"bootstrap_room\":"u8);
            WriteRooms(ref editor, members, batch);
            separator = ","u8;
        }
        if (members.RoutedDpRank is { } routed)
        {
            editor.Write(separator);
            editor.Write("\"routed_dp_rank\":"u8);
            editor.Write(routed);
            separator = ","u8;
        }
        if (members.DisaggPrefillDpRank is { } prefill)
        {
            editor.Write(separator);
            editor.Write("\"disagg_prefill_dp_rank\":"u8);
            editor.Write(prefill);
            separator = ","u8;
        }
        if (members.LoraPath is not null)
        {
            editor.Write(separator);
            editor.Write("\"lora_path\":"u8);
            editor.WriteString(members.LoraPath);
            separator = ","u8;
        }
        if (members.Rid is not null || !members.Rids.IsEmpty)
        {
            editor.Write(separator);
            editor.Write("\"rid\":"u8);
            WriteRids(ref editor, members);
        }
        if (editor.OwnLength > insertion)
            editor.Replace(new Slice(shape.ObjectEnd, 0), insertion);
        return editor.Build(body);
    }

    private static void WriteRooms(ref BodyEditor editor, in LegMembers members, bool batch)
    {
        if (!batch)
        {
            editor.Write(members.Room);
            return;
        }
        var separator = "["u8;
        foreach (var room in members.Rooms.Span)
        {
            editor.Write(separator);
            editor.Write(room);
            separator = ","u8;
        }
        editor.Write("]"u8);
    }

    private static void WriteRids(ref BodyEditor editor, in LegMembers members)
    {
        if (members.Rid is not null)
        {
            editor.WriteString(members.Rid);
            return;
        }
        var separator = "["u8;
        foreach (var rid in members.Rids.Span)
        {
            editor.Write(separator);
            editor.WriteString(rid);
            separator = ","u8;
        }
        editor.Write("]"u8);
    }

    /// <summary>
    /// Engines do not check these values and crash on wrong ones; a mistake of the gateway must not reach them.
    /// </summary>
    private static void Check(in LegMembers members, bool batch, int items)
    {
        if (members.Rid is not null && !members.Rids.IsEmpty)
            throw new ArgumentException("Give one request id or a list of them, not both.", nameof(members));
        if (!members.Rids.IsEmpty && (!batch || members.Rids.Length != items))
            throw new ArgumentException("A list of request ids needs one for each prompt of a batch.", nameof(members));
        if (members.BootstrapHost is null)
        {
            if (members.Room != 0 || !members.Rooms.IsEmpty || members.BootstrapPort is not null)
            {
                throw new ArgumentException(
                    "Rooms and a bootstrap port make no sense without a bootstrap host.", nameof(members));
            }
            return;
        }
        if (!batch)
        {
            if (members.Room <= 0 || !members.Rooms.IsEmpty)
                throw new ArgumentException("A single request needs one room above 0.", nameof(members));
            return;
        }
        if (members.Room != 0 || members.Rooms.Length != items)
            throw new ArgumentException("A batch needs a list with one room for each prompt.", nameof(members));
        var rooms = items <= 256 ? stackalloc long[items] : new long[items];
        members.Rooms.Span.CopyTo(rooms);
        rooms.Sort();
        for (var at = 0; at < items; at++)
        {
            if (rooms[at] <= 0 || (at > 0 && rooms[at] == rooms[at - 1]))
                throw new ArgumentException("The rooms of a batch must be above 0 and all different.", nameof(members));
        }
    }
}
