namespace OrleansPd.Gateway.Management;

/// <summary>The body of <c>/route_pd</c>; every member is optional.</summary>
/// <param name="Pair">The request that the pair is chosen for.</param>
/// <param name="Lease">How long the pair is held.</param>
internal sealed record RoutePairRequest(PairRequest Pair, TimeSpan Lease)
{
    private const int DefaultLease = 20;

    /// <summary>AReaL waits 2 s for the answer, so a longer wait in the queue is useless.</summary>
    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(1);

    /// <summary>Null = <paramref name="problem"/> says what is wrong.</summary>
    public static RoutePairRequest? Read(ReadOnlyMemory<byte> body, int mostItems, int longestLease, out string? problem)
    {
        problem = null;
        var pair = new PairRequest { MaxWait = DefaultWait };
        var lease = Math.Min(DefaultLease, longestLease);
        if (body.IsEmpty)
            return new RoutePairRequest(pair, TimeSpan.FromSeconds(lease));
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                problem = "The body must be a JSON object.";
                return null;
            }
            foreach (var member in json.RootElement.EnumerateObject())
            {
                var value = member.Value;
                problem = member.Name switch
                {
                    "model" => Text(value, member.Name, text => pair = pair with { Model = text }),
                    "lora_path" when value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } adapter =>
                        Text(value, member.Name, _ => pair = pair with { Adapters = adapter }),
                    "session_id" => Text(
                        value, member.Name, text => pair = pair with { SessionKey = text is null ? 0 : SessionHash.Of(text) }),
                    "prompt_tokens" => Whole(value, member.Name, 0, int.MaxValue, n => pair = pair with { PromptTokens = n }),
                    "max_new_tokens" => Whole(value, member.Name, 1, int.MaxValue, n => pair = pair with { MaxNewTokens = n }),
                    "batch_size" => Whole(value, member.Name, 1, mostItems, n => pair = pair with { Items = n }),
                    "wait_secs" => Whole(value, member.Name, 0, 60, n => pair = pair with { MaxWait = TimeSpan.FromSeconds(n) }),
                    "lease_secs" => Whole(value, member.Name, 1, longestLease, n => lease = n),
                    // A caller may send its whole generation request.
                    _ => null,
                };
                if (problem is not null)
                    return null;
            }
        }
        catch (JsonException)
        {
            problem = "The body is not JSON.";
            return null;
        }
        return new RoutePairRequest(pair, TimeSpan.FromSeconds(lease));
    }

    private static string? Text(JsonElement value, string name, Action<string?> take)
    {
        if (value.ValueKind is not (JsonValueKind.String or JsonValueKind.Null))
            return $"'{name}' must be a string.";
        take(value.GetString());
        return null;
    }

    private static string? Whole(JsonElement value, string name, int min, int max, Action<int> take)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var number) || number < min || number > max)
            return $"'{name}' must be a whole number, {min} to {max}.";
        take(number);
        return null;
    }
}
