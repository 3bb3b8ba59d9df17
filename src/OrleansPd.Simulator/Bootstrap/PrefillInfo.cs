namespace OrleansPd.Simulator.Bootstrap;

/// <summary>What a decode rank knows of a prefill server, unpacked as strictly as SGLang does.</summary>
internal sealed record PrefillInfo(int DpSize, int? PageSize, string? KvCacheDtype, bool Follow, int? HttpPort)
{
    public static readonly string[] ScratchMembers =
    [
        "target_tp_rank", "target_tp_ranks", "target_cp_ranks", "target_pp_ranks", "required_dst_info_num",
        "required_prefill_response_num",
    ];

    private static readonly string[] Mandatory =
        ["attn_tp_size", "attn_cp_size", "dp_size", "pp_size", "page_size", "kv_cache_dtype", "follow_bootstrap_room"];

    private static readonly string[] Optional = ["enable_dsa_cache_layer_split", "prefill_http_port"];

    /// <summary>
    /// Null where a member is unknown to this release or a mandatory one is missing: the fetch counts as failed.
    /// </summary>
    public static PrefillInfo? Unpack(JsonElement body, ReleaseProfile profile)
    {
        if (body.ValueKind != JsonValueKind.Object || !Mandatory.All(name => body.TryGetProperty(name, out _))
            || !body.GetProperty("dp_size").TryGetInt32(out var dpSize)
            || body.GetProperty("kv_cache_dtype").ValueKind is not (JsonValueKind.String or JsonValueKind.Null))
        {
            return null;
        }
        foreach (var member in body.EnumerateObject())
        {
            if (!Mandatory.Contains(member.Name) && !ScratchMembers.Contains(member.Name)
                && !(profile.OptionalSentinelMembers && Optional.Contains(member.Name)))
            {
                return null;
            }
        }
        var page = body.GetProperty("page_size");
        var follow = body.GetProperty("follow_bootstrap_room");
        return new PrefillInfo(
            dpSize,
            page.ValueKind == JsonValueKind.Number ? page.GetInt32() : null,
            body.GetProperty("kv_cache_dtype").GetString(),
            follow.ValueKind == JsonValueKind.True || (follow.ValueKind == JsonValueKind.String && follow.GetString() != ""),
            body.TryGetProperty("prefill_http_port", out var port) && port.ValueKind == JsonValueKind.Number
                ? port.GetInt32() : null);
    }
}
