using OrleansPd.Simulator.Http;

namespace OrleansPd.Simulator.Faults;

/// <summary>The JSON form of a fault at the control endpoint: kinds in snake case, times in milliseconds.</summary>
internal static class FaultJson
{
    public static Fault Read(JsonElement body)
    {
        var word = body.Text("kind") ?? throw JsonMembers.Wrong("kind", "the name of a fault");
        if (!Enum.TryParse<FaultKind>(word.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out var kind))
            throw JsonMembers.Wrong("kind", $"one of {string.Join(", ", Enum.GetValues<FaultKind>().Select(NameOf))}");
        return new Fault(kind)
        {
            Count = body.Int("count"),
            Duration = Time(body, "duration_ms"),
            Delay = Time(body, "delay_ms"),
            Status = body.Int("status"),
            Body = body.Text("body"),
            RetryAfter = body.Int("retry_after"),
            AfterEvents = body.Int("after_events") ?? 0,
            AfterTokens = body.Int("after_tokens") ?? 0,
            Factor = body.Number("factor") ?? 10,
            Rank = body.Int("rank"),
            RidPrefix = body.Text("rid_prefix"),
        };
    }

    public static void Write(Utf8JsonWriter json, ActiveFault active)
    {
        var fault = active.Fault;
        json.WriteStartObject();
        json.WriteNumber("id", active.Id);
        json.WriteString("kind", NameOf(fault.Kind));
        json.WriteNumber("hits", active.Hits);
        Number("count", fault.Count);
        Number("duration_ms", (int?)fault.Duration?.TotalMilliseconds);
        Number("delay_ms", (int?)fault.Delay?.TotalMilliseconds);
        Number("status", fault.Status);
        json.WriteString("body", fault.Body);
        Number("retry_after", fault.RetryAfter);
        json.WriteNumber("after_events", fault.AfterEvents);
        json.WriteNumber("after_tokens", fault.AfterTokens);
        json.WriteNumber("factor", fault.Factor);
        Number("rank", fault.Rank);
        json.WriteString("rid_prefix", fault.RidPrefix);
        json.WriteEndObject();

        void Number(string name, int? value)
        {
            if (value is { } number)
                json.WriteNumber(name, number);
            else
                json.WriteNull(name);
        }
    }

    private static string NameOf(FaultKind kind) => JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString());

    private static TimeSpan? Time(JsonElement body, string name) =>
        body.Number(name) is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;
}
