namespace OrleansPd.Tools.Traces;

/// <summary>
/// CSV with <c>TIMESTAMP</c>, <c>ContextTokens</c> and <c>GeneratedTokens</c>. It does not say which prompts share a prefix.
/// </summary>
internal static class AzureTrace
{
    public const int BlockSize = 512;

    public static bool IsHeader(string line)
    {
        var names = line.Split(',', StringSplitOptions.TrimEntries);
        return names.Contains("TIMESTAMP") && names.Contains("ContextTokens") && names.Contains("GeneratedTokens");
    }

    public static IEnumerable<TraceRequest> Read(string path)
    {
        var number = 0;
        string[]? header = null;
        DateTimeOffset? start = null;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;

            var cells = line.Split(',', StringSplitOptions.TrimEntries);
            if (header is null)
            {
                header = cells;
                continue;
            }

            if (cells.Length != header.Length)
            {
                throw new TraceFormatException(
                    $"{path}, line {number}: {cells.Length} cells where the header has {header.Length}.");
            }

            if (!DateTimeOffset.TryParse(cells[Array.IndexOf(header, "TIMESTAMP")], CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal, out var time))
            {
                throw new TraceFormatException($"{path}, line {number}: TIMESTAMP is not a time.");
            }

            start ??= time;
            yield return new(time - start.Value, Tokens("ContextTokens"), Tokens("GeneratedTokens"), []);

            int Tokens(string column) =>
                int.TryParse(cells[Array.IndexOf(header, column)], NumberStyles.None, CultureInfo.InvariantCulture,
                    out var tokens)
                    ? Math.Max(1, tokens)
                    : throw new TraceFormatException($"{path}, line {number}: {column} is not a number of tokens.");
        }
    }
}
