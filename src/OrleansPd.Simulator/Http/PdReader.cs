namespace OrleansPd.Simulator.Http;

/// <summary>Raised where SGLang's scheduler would raise and take the server with it.</summary>
internal sealed class FatalRequest(string reason) : Exception(reason);

/// <summary>Reads the members that join two legs.</summary>
internal static class PdReader
{
    /// <summary>
    /// For item <paramref name="index"/> of a batch, or for a single request where <paramref name="batch"/> is false.
    /// </summary>
    public static PdFields Read(JsonElement body, bool batch, int index, EngineRole role, int? headerRank = null)
    {
        var room = body.Member("bootstrap_room");
        var host = body.Member("bootstrap_host");
        if (!batch && (room?.ValueKind == JsonValueKind.Array
            || (role == EngineRole.Decode && host?.ValueKind == JsonValueKind.Array)) && role != EngineRole.Regular)
        {
            throw new FatalRequest("a list where a scalar belongs");
        }
        var port = Item(body.Member("bootstrap_port"), index);
        var routed = headerRank ?? body.Int("routed_dp_rank");
        return new PdFields(
            Item(host, index)?.GetString(),
            port is { } number ? number.GetInt32() : null,
            room is { ValueKind: JsonValueKind.Number } scalar ? Room(scalar) + index : Item(room, index) is { } item ? Room(item)
                : null,
            routed, body.Int("disagg_prefill_dp_rank"));
    }

    private static JsonElement? Item(JsonElement? value, int index) =>
        value is not { ValueKind: JsonValueKind.Array } list ? value
        : index >= list.GetArrayLength() ? throw new ApiError(500, "list index out of range", "InternalServerError")
        : list[index].ValueKind == JsonValueKind.Null ? null : list[index];

    private static long Room(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var room) ? room
            : throw JsonMembers.Wrong("bootstrap_room", "a valid integer");
}
