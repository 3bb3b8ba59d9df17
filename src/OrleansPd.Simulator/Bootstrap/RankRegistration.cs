using System.Net.Http.Json;
using System.Net.Sockets;

namespace OrleansPd.Simulator.Bootstrap;

/// <summary>
/// The one call by which a prefill rank makes itself known; repeated a few times where it fails, then given up.
/// </summary>
internal static class RankRegistration
{
    private static readonly double[] Pauses = [0.75, 1.5, 3, 6];

    /// <summary>The first try is waited for; further ones go on while the engine serves already.</summary>
    public static async Task PutAsync(
        EngineProcess engine, PrefillRank rank, IPAddress address, HttpClient http, CancellationToken ct)
    {
        if (!await TryPutAsync(engine, rank, address, http, ct))
            engine.Track(PutAgainAsync(engine, rank, address, http));
    }

    private static async Task PutAgainAsync(EngineProcess engine, PrefillRank rank, IPAddress address, HttpClient http)
    {
        foreach (var pause in Pauses)
        {
            await Task.Delay(TimeSpan.FromSeconds(pause), engine.Clock, engine.Ended);
            if (await TryPutAsync(engine, rank, address, http, engine.Ended))
                return;
        }
    }

    private static async Task<bool> TryPutAsync(
        EngineProcess engine, PrefillRank rank, IPAddress address, HttpClient http, CancellationToken ct)
    {
        var options = engine.Options;
        var attention = options.EnableDpAttention;
        var ip = address.Equals(IPAddress.Any) ? IPAddress.Loopback : address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback
            : address;
        var body = new Dictionary<string, object?>
        {
            ["attn_tp_size"] = 1,
            ["attn_tp_rank"] = 0,
            ["attn_cp_size"] = 1,
            ["attn_cp_rank"] = 0,
            ["attn_dp_size"] = attention ? options.DpSize : 1,
            ["attn_dp_rank"] = attention ? rank.Index : 0,
            ["pp_size"] = 1,
            ["pp_rank"] = 0,
            ["system_dp_size"] = attention ? 1 : options.DpSize,
            ["system_dp_rank"] = attention ? 0 : rank.Index,
            ["rank_ip"] = ip.ToString(),
            ["rank_port"] = rank.DataPort,
            ["page_size"] = options.PageSize,
            ["kv_cache_dtype"] = options.KvCacheDtype,
            ["load_balance_method"] = options.ResolvedLoadBalance,
            ["enable_dsa_cache_layer_split"] = false,
            ["prefill_http_port"] = engine.Port,
        };
        try
        {
            using var response = await http.PutAsJsonAsync(
                $"http://{(ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{ip}]" : ip)}:{engine.BootstrapPort}/route",
                body, ct);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
