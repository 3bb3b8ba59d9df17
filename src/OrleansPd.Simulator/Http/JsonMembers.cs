namespace OrleansPd.Simulator.Http;

/// <summary>Lenient reading of request members: absent and null are the same, a wrong kind is the caller's error.</summary>
internal static class JsonMembers
{
    public static JsonElement? Member(this JsonElement body, string name) =>
        body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var value)
            && value.ValueKind != JsonValueKind.Null
            ? value : null;

    public static int? Int(this JsonElement body, string name) => body.Member(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number
        : throw Wrong(name, "an integer");

    public static long? Long(this JsonElement body, string name) => body.Member(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number
        : throw Wrong(name, "an integer");

    public static double? Number(this JsonElement body, string name) => body.Member(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(name, "a number");

    public static bool Flag(this JsonElement body, string name) => body.Member(name) is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "a boolean"));

    public static string? Text(this JsonElement body, string name) => body.Member(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, "a string");

    /// <summary>One text or a list of them.</summary>
    public static IReadOnlyList<string> Texts(this JsonElement body, string name) => body.Member(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(item => item.GetString() ?? "")]
        : value.ValueKind == JsonValueKind.String ? [value.GetString()!]
        : throw Wrong(name, "a string or a list of strings");

    public static int[] Ints(this JsonElement list) => [.. list.EnumerateArray().Select(item => item.GetInt32())];

    public static bool IsListOfLists(this JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Array;

    public static ApiError Wrong(string name, string wanted) =>
        new(
            400, $"1 validation error:\n  {{'type': 'value_error', 'loc': ('body', '{name}'), "
            + $"'msg': 'Input should be {wanted}'}}",
            "Bad Request");
}
