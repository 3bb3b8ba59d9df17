namespace OrleansPd.Simulator;

/// <summary>
/// How long the simulated hardware takes. The defaults describe one H100 (one attention-DP rank) of a DeepSeek-V3 deployment:
/// LMSYS, "Deploying DeepSeek with PD Disaggregation and Large-Scale Expert Parallelism on 96 H100 GPUs" (May 2025) gives
/// 52,300 input and 22,300 output tokens per second and node of eight, the latter at a batch of 256 per GPU; DeepSeek,
/// "Insights into DeepSeek-V3" (ISCA 2025) gives 70,272 bytes of KV per token; a DGX H100 has one 400 Gb/s link per GPU.
/// </summary>
public sealed record TimingModel
{
    /// <summary>Uncached prompt tokens a rank computes in a second, above 0. Default 6,537 (52,300 / 8).</summary>
    public double PrefillTokensPerSecond { get; init; } = 6_537;

    /// <summary>Time of a forward pass over an empty prompt. Default 10 ms (an estimate).</summary>
    public TimeSpan PrefillOverhead { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>Time of a decode step of one request. Default 20 ms (an estimate: weights are read once per step).</summary>
    public TimeSpan DecodeStepBase { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// What each request of the batch adds to a step. Default 0.28 ms: 92 ms at a batch of 256, or 22,300 tokens/s and node.
    /// </summary>
    public TimeSpan DecodeStepPerRequest { get; init; } = TimeSpan.FromMilliseconds(0.28);

    /// <summary>
    /// KV bytes of a token, for the time of a transfer. Default 70,272. What really travels:
    /// <see cref="SimulatedEngineOptions.KvWireBytesPerToken"/>.
    /// </summary>
    public double KvBytesPerToken { get; init; } = 70_272;

    /// <summary>Speed of a rank's link in bytes per second, above 0. Default 50e9 (400 Gb/s).</summary>
    public double LinkBytesPerSecond { get; init; } = 50e9;

    /// <summary>What a transfer takes besides its bytes. Default 2 ms (an estimate).</summary>
    public TimeSpan TransferOverhead { get; init; } = TimeSpan.FromMilliseconds(2);

    internal TimeSpan Prefill(int uncachedTokens) =>
        PrefillOverhead + TimeSpan.FromSeconds(uncachedTokens / PrefillTokensPerSecond);

    internal TimeSpan Step(int batch) => DecodeStepBase + batch * DecodeStepPerRequest;

    internal TimeSpan Transfer(int tokens) =>
        TransferOverhead + TimeSpan.FromSeconds(tokens * KvBytesPerToken / LinkBytesPerSecond);
}
