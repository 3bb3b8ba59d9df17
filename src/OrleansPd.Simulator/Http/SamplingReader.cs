namespace OrleansPd.Simulator.Http;

internal static class SamplingReader
{
    /// <summary>The members of <c>sampling_params</c> on the native route.</summary>
    public static (Sampling Sampling, int N, string? Rejection) Native(JsonElement? parameters)
    {
        if (parameters is not { } given)
            return (new Sampling(), 1, null);
        if (given.ValueKind != JsonValueKind.Object)
            throw JsonMembers.Wrong("sampling_params", "a valid dictionary");
        string? rejection = null;
        if (given.Text("json_schema") is { } schema && !IsJsonObject(schema))
            rejection = "Failed to compile json grammar: invalid json_schema";
        return (Checked(given, given.Int("max_new_tokens") ?? 128, given.Int("min_new_tokens") ?? 0, given.Long("sampling_seed")),
            given.Int("n") ?? 1, rejection);
    }

    /// <summary>The same from an OpenAI body; <paramref name="fallback"/> is the length where none is asked for.</summary>
    public static (Sampling Sampling, int N, string? Rejection) OpenAi(JsonElement body, int fallback)
    {
        string? rejection = null;
        if (body.Member("response_format") is { } format && format.Text("type") == "json_schema"
            && format.Member("json_schema")?.Member("schema")?.ValueKind != JsonValueKind.Object)
        {
            rejection = "Failed to compile json grammar: invalid json_schema";
        }
        var length = body.Int("max_completion_tokens") ?? body.Int("max_tokens") ?? fallback;
        return (Checked(body, length, body.Int("min_tokens") ?? 0, body.Long("seed")), body.Int("n") ?? 1, rejection);
    }

    private static Sampling Checked(JsonElement members, int max, int min, long? seed)
    {
        if (members.Number("temperature") is < 0 and var temperature)
            throw new ApiError(400, $"temperature must be non-negative, got {temperature}.");
        if (members.Number("top_p") is <= 0 or > 1)
            throw new ApiError(400, $"top_p must be in (0, 1], got {members.Number("top_p")}.");
        if (max < 0 || min < 0 || min > max)
        {
            throw new ApiError(400, max < 0
                ? $"max_new_tokens must be at least 0, got {max}."
                : $"min_new_tokens must be in [0, max_new_tokens({max})], got {min}.");
        }
        if (members.Int("n") is < 1)
            throw new ApiError(400, "n must be at least 1");
        return new Sampling
        {
            MaxNewTokens = max,
            MinNewTokens = min,
            IgnoreEos = members.Flag("ignore_eos"),
            Stop = members.Texts("stop"),
            StopTokenIds = members.Member("stop_token_ids") is { } ids ? ids.Ints() : [],
            Seed = seed ?? 0,
        };
    }

    private static bool IsJsonObject(string text)
    {
        try
        {
            using var parsed = JsonDocument.Parse(text);
            return parsed.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
