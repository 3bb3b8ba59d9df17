namespace OrleansPd.Gateway.Wire;

/// <summary>
/// The JSON of <c>/register_dp_rank</c> and <c>/query_dp_ranks</c>. As lenient as SGLang's server (integers as text, unknown
/// members, any content type), but with limits.
/// </summary>
internal static class RoomWire
{
    /// <summary>Maximum number of rooms in one query.</summary>
    public const int MaxRooms = 65_536;

    /// <summary>Maximum body in bytes: enough for that many 63-bit rooms as text.</summary>
    public const int MaxBody = 2 << 20;

    /// <returns>The error; null if the body is valid.</returns>
    public static string? ReadRegistration(ReadOnlyMemory<byte> body, out long room, out int rank)
    {
        (room, rank) = (0, 0);
        if (Parse(body, out var problem) is not { } document)
            return problem;
        using (document)
        {
            if (!document.RootElement.TryGetProperty("bootstrap_room", out var roomText)
                || !TryRead(roomText, long.MaxValue, out room))
            {
                return "bootstrap_room must be an integer from 0 to 2^63-1";
            }
            if (!document.RootElement.TryGetProperty("dp_rank", out var rankText)
                || !TryRead(rankText, RoomMint.MaxDpSize - 1, out var number))
            {
                return $"dp_rank must be an integer from 0 to {RoomMint.MaxDpSize - 1}";
            }
            rank = (int)number;
            return null;
        }
    }

    /// <returns>The error; null if the body is valid.</returns>
    public static string? ReadQuery(ReadOnlyMemory<byte> body, out long[] rooms)
    {
        rooms = [];
        if (Parse(body, out var problem) is not { } document)
            return problem;
        using (document)
        {
            if (!document.RootElement.TryGetProperty("bootstrap_rooms", out var list) || list.ValueKind != JsonValueKind.Array)
                return "bootstrap_rooms must be a list of integers";
            if (list.GetArrayLength() > MaxRooms)
                return $"more than {MaxRooms} rooms in one query";
            var read = new HashSet<long>();
            foreach (var item in list.EnumerateArray())
            {
                if (!TryRead(item, long.MaxValue, out var room))
                    return "bootstrap_rooms must hold integers from 0 to 2^63-1";
                read.Add(room);
            }
            rooms = [.. read];
            return null;
        }
    }

    /// <summary>The answer to a query: ranks by room. Unknown rooms (rank -1) are left out.</summary>
    public static ReadOnlyMemory<byte> Ranks(ReadOnlySpan<long> rooms, ReadOnlySpan<int> ranks)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartObject();
            for (var i = 0; i < rooms.Length; i++)
            {
                if (ranks[i] >= 0)
                    json.WriteNumber(rooms[i].ToString(CultureInfo.InvariantCulture), ranks[i]);
            }
            json.WriteEndObject();
        }
        return output.WrittenMemory;
    }

    private static JsonDocument? Parse(ReadOnlyMemory<byte> body, out string? problem)
    {
        problem = null;
        try
        {
            var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
            problem = "the body must be a JSON object";
        }
        catch (JsonException e)
        {
            problem = $"the body is not JSON: {e.Message}";
        }
        return null;
    }

    private static bool TryRead(JsonElement value, long max, out long number)
    {
        number = 0;
        var read = value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetInt64(out number),
            JsonValueKind.String =>
                long.TryParse(value.GetRawText().AsSpan()[1..^1], NumberStyles.Integer, CultureInfo.InvariantCulture, out number),
            _ => false,
        };
        return read && number >= 0 && number <= max;
    }
}
