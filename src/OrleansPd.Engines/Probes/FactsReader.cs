namespace OrleansPd.Engines.Probes;

/// <summary>Converts the answers of an engine's endpoints to facts. Lenient: a missing or unexpected member is unknown.</summary>
internal static class FactsReader
{
    public static WorkerFacts Read(
        WorkerSpec worker, JsonElement? info, JsonElement? model, JsonElement? models, JsonElement? sentinel, int? bootstrapPort,
        int? rankPort)
    {
        var state = First(info, "internal_states");
        var running = Int(state, "effective_max_running_requests_per_dp") ?? Int(info, "effective_max_running_requests_per_dp");
        var dp = worker.DpSize ?? Int(sentinel, "dp_size") ?? Int(info, "dp_size") ?? Length(info, "internal_states") ?? 1;
        dp = Math.Clamp(dp, 1, RoomMint.MaxDpSize);
        return new WorkerFacts
        {
            Role = RoleOf(Text(state, "disaggregation_mode") ?? Text(info, "disaggregation_mode")),
            ModelPath = Text(info, "model_path") ?? Text(model, "model_path"),
            ServedModelName = Text(info, "served_model_name") ?? Text(First(models, "data"), "id"),
            TokenizerPath = Text(info, "tokenizer_path") ?? Text(model, "tokenizer_path"),
            AdapterNames = Adapters(models),
            Generates = Member(model, "is_generation")?.ValueKind switch
            {
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                _ => null,
            },
            Version = Text(info, "version"),
            DpSize = dp,
            PageSize = Int(sentinel, "page_size") ?? Int(info, "page_size"),
            KvCacheDtype = Text(sentinel, "kv_cache_dtype") ?? Text(info, "kv_cache_dtype"),
            TransferBackend = Text(info, "disaggregation_transfer_backend"),
            LoadBalanceMethod = Text(info, "load_balance_method"),
            BootstrapPort = bootstrapPort,
            MaxRunningPerRank = running,
            SlotsPerRank = running is { } r ? r + ExtraSlots(info, dp) : null,
            TokenCapacityPerRank = Long(Member(state, "memory_usage"), "token_capacity") ?? Long(info, "max_total_num_tokens"),
            ContextLength = Int(info, "context_length") ?? Int(info, "max_context_length")
                ?? Int(First(models, "data"), "max_model_len"),
            ProcessIdentity = Identity(info, rankPort),
        };
    }

    /// <summary>Cards that have a parent are adapters.</summary>
    private static string Adapters(JsonElement? models) => Member(models, "data") is { ValueKind: JsonValueKind.Array } cards
        ? string.Join('\n', cards.EnumerateArray().Where(card => Text(card, "parent") is not null)
            .Select(card => Text(card, "id"))
            .Where(id => id is not null && !id.Contains('\n', StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        : "";

    /// <summary>
    /// Slots beyond the running limit in which requests wait for their KV: twice the limit where that is small.
    /// </summary>
    private static int ExtraSlots(JsonElement? info, int dp)
    {
        if (Int(info, "disaggregation_decode_extra_slots") is { } reported)
            return reported;
        return Int(info, "max_running_requests") is { } flag && flag / dp is > 0 and <= 32 and var share ? 2 * share : 0;
    }

    private static string? Identity(JsonElement? info, int? rankPort)
    {
        var parts = new List<string>();
        Add("seed", Raw(info, "random_seed"));
        Add("pids", Raw(info, "scheduler_pids"));
        Add("rank", rankPort?.ToString(CultureInfo.InvariantCulture));
        if (parts.Count == 0)
            Add("start", Raw(info, "startup_time"));
        return parts.Count == 0 ? null : string.Join(';', parts);

        void Add(string name, string? value)
        {
            if (value is not null)
                parts.Add($"{name}={value.Replace(';', ',')}");
        }
    }

    private static WorkerRole? RoleOf(string? mode) => mode switch
    {
        "prefill" => WorkerRole.Prefill,
        "decode" => WorkerRole.Decode,
        "null" => WorkerRole.Regular,
        _ => null,
    };

    public static int? Int(JsonElement? of, string name) =>
        Long(of, name) is >= int.MinValue and <= int.MaxValue and var n ? (int)n : null;

    private static long? Long(JsonElement? of, string name) => Member(of, name) switch
    {
        { ValueKind: JsonValueKind.Number } number when number.TryGetInt64(out var n) => n,
        { ValueKind: JsonValueKind.String } text when long.TryParse(
            text.GetString(), NumberStyles.Integer, CultureInfo.InvariantCulture, out var n) => n,
        _ => null,
    };

    private static string? Text(JsonElement? of, string name) =>
        Member(of, name) is { ValueKind: JsonValueKind.String } text && text.GetString() is { Length: > 0 } value ? value : null;

    private static string? Raw(JsonElement? of, string name) =>
        Member(of, name) is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } value ? value.GetRawText() : null;

    private static JsonElement? First(JsonElement? of, string name) =>
        Member(of, name) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0 ? list[0] : null;

    private static int? Length(JsonElement? of, string name) =>
        Member(of, name) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() is > 0 and var length ? length
            : null;

    private static JsonElement? Member(JsonElement? of, string name) =>
        of is { ValueKind: JsonValueKind.Object } value && value.TryGetProperty(name, out var member) ? member : null;
}
