namespace OrleansPd.Engines.Probes;

/// <summary>The body of a readiness check: SGLang's own warm-up prompt, which fits every vocabulary.</summary>
internal static class ReadyBody
{
    public static byte[] Of(LegTarget target, long room, string rid)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("input_ids");
            for (var id = 10; id < 14; id++)
                json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartObject("sampling_params");
            json.WriteNumber("temperature", 0);
            json.WriteNumber("max_new_tokens", 2);
            json.WriteBoolean("ignore_eos", true);
            json.WriteEndObject();
            json.WriteBoolean("stream", false);
            json.WriteString("rid", rid);
            if (target.BootstrapHost is not null)
            {
                json.WriteString("bootstrap_host", target.BootstrapHost);
                WriteNumber(json, "bootstrap_port", target.BootstrapPort);
                json.WriteNumber("bootstrap_room", room);
            }
            if (target.RoutedDpRank is { } own)
                json.WriteNumber("routed_dp_rank", own);
            if (target.DisaggPrefillDpRank is { } partner)
                json.WriteNumber("disagg_prefill_dp_rank", partner);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>An abort without a status code is answered with 200.</summary>
    public static bool WasAborted(JsonElement? answer) =>
        answer is { } root && root.TryGetProperty("meta_info", out var meta) && meta.ValueKind == JsonValueKind.Object
        && meta.TryGetProperty("finish_reason", out var reason) && reason.ValueKind == JsonValueKind.Object
        && reason.TryGetProperty("type", out var type) && type.ValueEquals("abort");

    private static void WriteNumber(Utf8JsonWriter json, string name, int? value)
    {
        if (value is { } number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }
}
