using System.Diagnostics.CodeAnalysis;

namespace OrleansPd.Engines.Requests;

/// <summary>
/// The facts of one request body that the gateway needs. Filled by <see cref="RequestScanner"/>, valid for the bytes that were
/// scanned and only after a scan that succeeded. Reuse it: a second scan allocates nothing unless it needs longer lists.
/// Not thread-safe while a scan runs.
/// </summary>
public sealed class RequestShape
{
    private RecordedMember[] _members = new RecordedMember[8];
    private Slice[] _items = [];
    private Slice[] _cuts = [];
    private int _memberCount;
    private int _itemCount;
    private int _cutCount;

    /// <summary>Stands for a body that is sent without being scanned: one prompt, one sample, no stream.</summary>
    public static RequestShape Opaque { get; } = new() { Dialect = Dialect.Chat };

    /// <summary>The route the body was scanned for.</summary>
    public Dialect Dialect { get; internal set; }

    /// <summary>Whether the client wants an event stream. Default false.</summary>
    public bool Stream { get; internal set; }

    /// <summary>
    /// Whether the engine answers with a list: decided by the prompt alone, a list of one is a batch.
    /// </summary>
    public bool IsBatch { get; internal set; }

    /// <summary>Prompts: 1 for a single request, else the length of the batch.</summary>
    public int Items { get; internal set; } = 1;

    /// <summary>Samples per prompt (<c>n</c>), 1 if not given.</summary>
    public int Samples { get; internal set; } = 1;

    /// <summary>The raw string token of <c>model</c>, if any.</summary>
    public Slice Model { get; internal set; }

    /// <summary>The raw value of <c>rid</c>, if any.</summary>
    public Slice Rid { get; internal set; }

    /// <summary>String, list or absent.</summary>
    public RidKind RidKind { get; internal set; }

    /// <summary>
    /// <c>/generate</c>: log probabilities are wanted for at least one prompt, so the legs' answers must be merged.
    /// </summary>
    public bool ReturnLogprob { get; internal set; }

    /// <summary><c>stream_options.include_usage</c>.</summary>
    public bool IncludeUsage { get; internal set; }

    /// <summary><c>stream_options.continuous_usage_stats</c>.</summary>
    public bool ContinuousUsage { get; internal set; }

    /// <summary>Maximum of new tokens of one sample, the largest of a list; -1 when the body has none.</summary>
    public int MaxNewTokens { get; internal set; } = -1;

    /// <summary>Form of the prompt.</summary>
    public PromptKind PromptKind { get; internal set; }

    /// <summary>The raw value of the prompt member that the engine will use.</summary>
    public Slice Prompt { get; internal set; }

    /// <summary>Length of that value in bytes, quotes and brackets included.</summary>
    public long PromptBytes => Prompt.Length;

    /// <summary>
    /// Prompt tokens, summed over a batch: exact for token ids and embeddings, a quarter of the raw bytes (rounded up, at
    /// least 1 a prompt) for text and messages.
    /// </summary>
    public long PromptTokensEstimate { get; internal set; }

    /// <summary>
    /// The key of the client's session: the first of session_id, session_params, user, conversation_id, routing_key,
    /// prompt_cache_key that is neither null nor an empty string, as a raw value.
    /// </summary>
    public Slice SessionKey { get; internal set; }

    /// <summary>
    /// Ranges to remove because clients may not choose these members (bootstrap and rank members). Each
    /// covers a member with its key, in every spelling, and the one comma that must go with it. In order, not overlapping.
    /// </summary>
    public ReadOnlySpan<Slice> Cuts => _cuts.AsSpan(0, _cutCount);

    /// <summary>The prompts of a batch; empty for a single request.</summary>
    public ReadOnlySpan<Slice> PromptItems => IsBatch ? ItemsOf(Prompt) : default;

    /// <summary>The elements of a list-valued <c>sampling_params</c>; empty otherwise.</summary>
    public ReadOnlySpan<Slice> SamplingParamItems => ItemsOf(RequestMember.SamplingParams);

    /// <summary>The elements of a list-valued <c>rid</c>; empty otherwise.</summary>
    public ReadOnlySpan<Slice> RidItems => RidKind == RidKind.List ? ItemsOf(Rid) : default;

    /// <summary>Offset of the brace that closes the request object.</summary>
    public int ObjectEnd { get; internal set; }

    /// <summary>Members of the request object, recorded or not.</summary>
    public int MemberCount { get; internal set; }

    internal ReadOnlySpan<RecordedMember> Members => _members.AsSpan(0, _memberCount);

    /// <summary>Decodes the model's name.</summary>
    /// <param name="body">The bytes that were scanned.</param>
    /// <param name="model">The name.</param>
    /// <returns>False if there is none.</returns>
    public bool TryGetModel(ReadOnlySpan<byte> body, [NotNullWhen(true)] out string? model) =>
        JsonText.TryGetString(Model.Of(body), out model);

    /// <summary>Decodes the client's request id, when it is one string.</summary>
    /// <param name="body">The bytes that were scanned.</param>
    /// <param name="rid">The id.</param>
    /// <returns>False if there is none, or a list.</returns>
    public bool TryGetRid(ReadOnlySpan<byte> body, [NotNullWhen(true)] out string? rid) =>
        JsonText.TryGetString(Rid.Of(body), out rid);

    /// <summary>Decodes one request id of a list.</summary>
    /// <param name="body">The bytes that were scanned.</param>
    /// <param name="item">Index into <see cref="RidItems"/>.</param>
    public string GetRid(ReadOnlySpan<byte> body, int item) => JsonText.TryGetString(RidItems[item].Of(body), out var rid)
            ? rid : throw new ArgumentException("The shape does not belong to this body.", nameof(body));

    /// <summary>
    /// Names of the LoRA adapters in <c>lora_path</c> (one, or one for each prompt): sorted, distinct, one a line.
    /// </summary>
    /// <param name="body">The bytes that were scanned.</param>
    /// <returns>Null without a valid name.</returns>
    public string? GetAdapters(ReadOnlySpan<byte> body)
    {
        if (IndexOf(RequestMember.LoraPath, body) is not (>= 0 and var at))
            return null;
        if (JsonText.TryGetString(_members[at].Value.Of(body), out var one))
            return IsName(one) ? one : null;
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var item in ItemsOf(_members[at]))
        {
            if (JsonText.TryGetString(item.Of(body), out var name) && IsName(name))
                names.Add(name);
        }
        return names.Count == 0 ? null : string.Join('\n', names);

        static bool IsName(string text) => text.Length > 0 && !text.Contains('\n', StringComparison.Ordinal);
    }

    /// <summary>Finds a recorded top-level member; of duplicates the last, which engines use.</summary>
    /// <param name="name">The member.</param>
    /// <param name="position">Its position.</param>
    /// <returns>False if the body does not have it. A null value counts as having it.</returns>
    public bool TryFindMember(RequestMember name, out MemberPosition position)
    {
        for (var at = _memberCount - 1; at >= 0; at--)
        {
            ref readonly var member = ref _members[at];
            if (member.Name != name)
                continue;
            position = new(name, member.Key, member.Value, Slice.Between(member.Start, member.Value.End));
            return true;
        }
        position = default;
        return false;
    }

    /// <summary>Clears everything but the capacity of its lists.</summary>
    public void Reset()
    {
        _memberCount = _itemCount = _cutCount = 0;
        Stream = IsBatch = ReturnLogprob = IncludeUsage = ContinuousUsage = false;
        Items = Samples = 1;
        Model = Rid = Prompt = SessionKey = default;
        RidKind = RidKind.None;
        PromptKind = PromptKind.None;
        MaxNewTokens = -1;
        PromptTokensEstimate = 0;
        ObjectEnd = MemberCount = 0;
    }

    internal ref RecordedMember Record()
    {
        if (_memberCount == _members.Length)
            Array.Resize(ref _members, _memberCount * 2);
        return ref _members[_memberCount++];
    }

    internal ref RecordedMember Last => ref _members[_memberCount - 1];

    internal ref RecordedMember At(int index) => ref _members[index];

    /// <summary>The recorded member with a value that is not null, last one wins; -1 without one.</summary>
    internal int IndexOf(RequestMember name, ReadOnlySpan<byte> body)
    {
        for (var at = _memberCount - 1; at >= 0; at--)
        {
            if (_members[at].Name == name)
                return JsonText.IsNull(_members[at].Value.Of(body)) ? -1 : at;
        }
        return -1;
    }

    internal int ItemsStart => _itemCount;

    internal void AddItem(Slice item)
    {
        if (_itemCount == _items.Length)
            Array.Resize(ref _items, Math.Max(16, _itemCount * 2));
        _items[_itemCount++] = item;
    }

    internal ReadOnlySpan<Slice> ItemsOf(in RecordedMember member) => _items.AsSpan(member.ItemsStart, member.ItemCount);

    internal ReadOnlySpan<Slice> ItemsOf(RequestMember name)
    {
        for (var at = _memberCount - 1; at >= 0; at--)
        {
            if (_members[at].Name == name)
                return ItemsOf(_members[at]);
        }
        return default;
    }

    internal void SetCuts(ulong dropped)
    {
        var plan = new CutPlan(Members, dropped);
        for (_cutCount = 0; plan.Next(out var cut); _cutCount++)
        {
            if (_cutCount == _cuts.Length)
                Array.Resize(ref _cuts, Math.Max(8, _cutCount * 2));
            _cuts[_cutCount] = cut;
        }
    }

    private ReadOnlySpan<Slice> ItemsOf(Slice value)
    {
        foreach (ref readonly var member in Members)
        {
            if (member.Value == value)
                return ItemsOf(member);
        }
        return default;
    }
}
