namespace OrleansPd.Tools.Traces;

/// <summary>Opens a trace of either format, recognised by its content.</summary>
internal static class TraceFile
{
    /// <exception cref="TraceFormatException">The file has neither format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Trace Open(string path)
    {
        var first = File.ReadLines(path).FirstOrDefault(line => !string.IsNullOrWhiteSpace(line))
            ?? throw new TraceFormatException($"{path} is empty.");
        var name = Path.GetFileName(path);
        if (first.TrimStart().StartsWith('{'))
            return new(name, MooncakeTrace.BlockSize, MooncakeTrace.Read(path));

        if (AzureTrace.IsHeader(first))
            return new(name, AzureTrace.BlockSize, AzureTrace.Read(path));

        throw new TraceFormatException(
            $"{path} is neither a Mooncake trace (JSON lines with timestamp, input_length, output_length, hash_ids) nor an Azure "
            + "one (CSV with TIMESTAMP, ContextTokens, GeneratedTokens).");
    }
}
