namespace OrleansPd.Tools.Traces;

/// <summary>
/// JSON lines with <c>timestamp</c> (ms), <c>input_length</c>, <c>output_length</c> and <c>hash_ids</c>, one id per 512 tokens.
/// </summary>
internal static class MooncakeTrace
{
    public const int BlockSize = 512;

    public static IEnumerable<TraceRequest> Read(string path)
    {
        var number = 0;
        double? start = null;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;

            var (timestamp, request) = Parse(line, path, number);
            start ??= timestamp;
            yield return request with { Arrival = TimeSpan.FromMilliseconds(timestamp - start.Value) };
        }
    }

    private static (double Timestamp, TraceRequest Request) Parse(string line, string path, int number)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var row = json.RootElement;
            var blocks = row.TryGetProperty("hash_ids", out var ids)
                ? ids.EnumerateArray().Select(id => id.GetInt64()).ToImmutableArray()
                : [];
            return (row.GetProperty("timestamp").GetDouble(), new TraceRequest(
                TimeSpan.Zero,
                Math.Max(1, row.GetProperty("input_length").GetInt32()),
                Math.Max(1, row.GetProperty("output_length").GetInt32()),
                blocks));
        }
        catch (Exception error) when (
            error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new TraceFormatException($"{path}, line {number}: {error.Message}");
        }
    }
}
