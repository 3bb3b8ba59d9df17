namespace OrleansPd.Engines.Requests;

/// <summary>Limits of one body. A value beyond a limit is a <see cref="ScanError"/>; nothing is truncated.</summary>
public sealed record ScanLimits
{
    /// <summary>The limits with their defaults.</summary>
    public static ScanLimits Default { get; } = new();

    /// <summary>Levels of nesting, the request object being the first. 1 to 1024, default 64.</summary>
    public int MaxDepth { get; init; } = 64;

    /// <summary>Prompts in one body. Default 1024.</summary>
    public int MaxBatch { get; init; } = 1024;

    /// <summary>Samples per prompt (<c>n</c>). Default 128, as in the OpenAI API.</summary>
    public int MaxSamples { get; init; } = 128;

    /// <summary>Prompts times samples: each is a pair of engine requests when fanned out. Default 1024.</summary>
    public int MaxFanOut { get; init; } = 1024;

    /// <summary>
    /// Top log probabilities per token. Default 128: a request for more brings a prefill engine down.
    /// </summary>
    public int MaxTopLogprobs { get; init; } = 128;
}
