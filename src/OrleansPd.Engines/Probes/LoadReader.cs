namespace OrleansPd.Engines.Probes;

/// <summary>
/// Reads <c>/v1/loads</c> and the older <c>/get_load</c>. Lenient: releases report different members.
/// </summary>
internal static class LoadReader
{
    /// <summary>Null when it is not an answer of <c>/v1/loads</c>.</summary>
    public static EngineLoad? Loads(JsonElement? root)
    {
        if (root is not { ValueKind: JsonValueKind.Object } answer || !answer.TryGetProperty("loads", out var loads)
            || loads.ValueKind != JsonValueKind.Array)
        {
            return null;
        }
        var reported = answer.TryGetProperty("timestamp", out var text) && text.ValueKind == JsonValueKind.String
            && DateTimeOffset.TryParse(
                text.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time.ToUnixTimeMilliseconds() / 1000.0 : (double?)null;
        return new EngineLoad { Ranks = [.. loads.EnumerateArray().Select((rank, i) => Rank(rank, i, reported))] };
    }

    /// <summary>Null when it is not an answer of <c>/get_load</c>.</summary>
    public static EngineLoad? OldLoad(JsonElement? root) => root is { ValueKind: JsonValueKind.Array } ranks
        ? new EngineLoad
        {
            Ranks =
            [
                .. ranks.EnumerateArray().Select((rank, i) =>
                {
                    var waiting = Count(rank, "num_waiting_reqs");
                    return new RankReading(
                        FactsReader.Int(rank, "dp_rank") ?? i, Math.Max(0, Count(rank, "num_reqs") - waiting), waiting)
                    {
                        Tokens = Count(rank, "num_tokens"),
                        Tick = Real(rank, "ts_tic"),
                    };
                }),
            ],
        }
        : null;

    private static RankReading Rank(JsonElement rank, int index, double? reported)
    {
        var pd = rank.ValueKind == JsonValueKind.Object && rank.TryGetProperty("disaggregation", out var section) ? section
            : (JsonElement?)null;
        // 0 = nothing was reported of this rank: the oldest possible time.
        var age = reported is { } now && Real(rank, "timestamp") is { } then
            ? TimeSpan.FromSeconds(then <= 0 ? 1e6 : Math.Clamp(now - then, 0, 1e6))
            : (TimeSpan?)null;
        return new RankReading(
            FactsReader.Int(rank, "dp_rank") ?? index, Count(rank, "num_running_reqs"), Count(rank, "num_waiting_reqs"))
        {
            Sending = Count(pd, "prefill_inflight_queue_reqs"),
            Tokens = Count(rank, "num_total_tokens") is > 0 and var all ? all : Count(rank, "num_used_tokens"),
            MaxRunning = FactsReader.Int(rank, "max_running_requests") is > 0 and var max ? max : null,
            MaxTokens = FactsReader.Int(rank, "max_total_num_tokens") is > 0 and var tokens ? tokens : null,
            Age = age,
        };
    }

    private static int Count(JsonElement? of, string name) => Math.Max(0, FactsReader.Int(of, name) ?? 0);

    private static double? Real(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetDouble(out var number) ? number : null;
}
