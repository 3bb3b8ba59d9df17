namespace OrleansPd.Tools.Traces;

/// <summary>
/// One request of a trace: sizes in tokens, and one id per block of the prompt. Equal leading ids mean an equal prefix.
/// </summary>
/// <param name="Arrival">Since the first request.</param>
/// <param name="Blocks">May be empty or too short; the rest of the prompt is then unique.</param>
internal sealed record TraceRequest(TimeSpan Arrival, int InputTokens, int OutputTokens, ImmutableArray<long> Blocks);

/// <summary>Requests in order of arrival, read on demand.</summary>
/// <param name="Name">Name for reports.</param>
/// <param name="BlockSize">Tokens that one block id stands for.</param>
/// <param name="Count">Number of requests, if known beforehand.</param>
internal sealed record Trace(string Name, int BlockSize, IEnumerable<TraceRequest> Requests, int? Count = null)
{
    public Trace Take(int limit) =>
        this with { Requests = Requests.Take(limit), Count = Count is { } count ? Math.Min(count, limit) : null };

    /// <summary>
    /// Longer or shorter prompts and answers. The block is scaled with the prompts, so that a shared part stays the same share.
    /// </summary>
    public Trace Scale(LengthScale scale) => this with
    {
        BlockSize = Math.Max(1, (int)Math.Round(BlockSize * scale.Input)),
        Requests = Requests.Select(request => request with
        {
            InputTokens = Scaled(request.InputTokens, scale.Input, scale.MaxInput),
            OutputTokens = Scaled(request.OutputTokens, scale.Output, scale.MaxOutput),
        }),
    };

    private static int Scaled(int tokens, double scale, int max) => (int)Math.Clamp(Math.Round(tokens * scale), 1, max);
}

/// <summary>A factor for the lengths of a trace, then a limit in tokens.</summary>
internal sealed record LengthScale(
    double Input = 1, double Output = 1, int MaxInput = int.MaxValue, int MaxOutput = int.MaxValue);
