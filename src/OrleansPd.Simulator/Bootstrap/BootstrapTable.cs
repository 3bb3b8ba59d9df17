namespace OrleansPd.Simulator.Bootstrap;

internal sealed record RankAddress(string Ip, int Port);

/// <summary>What the prefill ranks have registered: sizes by the first writer, addresses by the last.</summary>
internal sealed class BootstrapTable(bool withOptionalMembers, bool withScratchMembers)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int Dp, int Cp, int Tp, int Pp), RankAddress> _ranks = [];
    private Sizes? _sizes;
    private int _registered;

    public int Registered => Volatile.Read(ref _registered);

    public bool Ready => Volatile.Read(ref _sizes) is { } sizes && Registered >= sizes.Expected;

    /// <summary>Takes one registration. Throws on a missing or malformed member, which the wire shows as 500.</summary>
    public void Register(JsonElement body)
    {
        var tp = Int(body.GetProperty("attn_tp_size"));
        var cp = Int(body.GetProperty("attn_cp_size"));
        var pp = Int(body.GetProperty("pp_size"));
        var attentionDp = Int(body.GetProperty("attn_dp_size"));
        var systemDp = Int(body.GetProperty("system_dp_size"));
        var group = Int(body.GetProperty(systemDp == 1 ? "attn_dp_rank" : "system_dp_rank"));
        _ = body.GetProperty(systemDp == 1 ? "system_dp_rank" : "attn_dp_rank");
        var key = (group, Int(body.GetProperty("attn_cp_rank")), Int(body.GetProperty("attn_tp_rank")),
            Int(body.GetProperty("pp_rank")));
        var address = new RankAddress(Text(body.GetProperty("rank_ip")), Int(body.GetProperty("rank_port")));
        var page = body.GetProperty("page_size");
        var dtype = body.GetProperty("kv_cache_dtype");
        var sizes = new Sizes(
            tp, cp, systemDp == 1 ? attentionDp : systemDp, pp,
            page.ValueKind == JsonValueKind.Null ? null : Int(page),
            dtype.ValueKind == JsonValueKind.Null ? null : Text(dtype),
            !body.TryGetProperty("load_balance_method", out var method) || method.GetString() == "follow_bootstrap_room",
            body.TryGetProperty("enable_dsa_cache_layer_split", out var split) && split.ValueKind == JsonValueKind.True,
            body.TryGetProperty("prefill_http_port", out var http) && http.ValueKind != JsonValueKind.Null ? Int(http) : null);
        lock (_gate)
        {
            _sizes ??= sizes;
            _ranks[key] = address;
            _registered++;
        }
    }

    public RankAddress? Find(int dp, int cp, int tp, int pp)
    {
        lock (_gate)
            return _ranks.GetValueOrDefault((dp, cp, tp, pp));
    }

    public void WriteSentinel(Utf8JsonWriter json)
    {
        var sizes = _sizes!;
        json.WriteStartObject();
        json.WriteNumber("attn_tp_size", sizes.Tp);
        json.WriteNumber("attn_cp_size", sizes.Cp);
        json.WriteNumber("dp_size", sizes.Dp);
        json.WriteNumber("pp_size", sizes.Pp);
        WriteNumber("page_size", sizes.PageSize);
        json.WriteString("kv_cache_dtype", sizes.KvCacheDtype);
        json.WriteBoolean("follow_bootstrap_room", sizes.Follow);
        if (withOptionalMembers)
        {
            json.WriteBoolean("enable_dsa_cache_layer_split", sizes.LayerSplit);
            WriteNumber("prefill_http_port", sizes.HttpPort);
        }
        foreach (var name in withScratchMembers ? PrefillInfo.ScratchMembers : [])
            json.WriteNull(name);
        json.WriteEndObject();

        void WriteNumber(string name, int? value)
        {
            if (value is { } number)
                json.WriteNumber(name, number);
            else
                json.WriteNull(name);
        }
    }

    public static int Int(JsonElement value) => checked((int)Long(value));

    /// <summary>An integer, or a text that holds one.</summary>
    public static long Long(JsonElement value) => value.ValueKind == JsonValueKind.String
        ? long.Parse(value.GetString()!, CultureInfo.InvariantCulture)
        : value.GetInt64();

    private static string Text(JsonElement value) => value.GetString() ?? throw new FormatException("Not a text.");

    private sealed record Sizes(
        int Tp, int Cp, int Dp, int Pp, int? PageSize, string? KvCacheDtype, bool Follow, bool LayerSplit, int? HttpPort)
    {
        public int Expected => Dp * Cp * Tp * Pp;
    }
}
