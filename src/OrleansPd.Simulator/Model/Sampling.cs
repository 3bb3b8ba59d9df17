namespace OrleansPd.Simulator.Model;

/// <summary>
/// How an answer is drawn. The model is deterministic: equal prompt and sampling give an equal answer, at any temperature.
/// </summary>
public sealed record Sampling
{
    /// <summary>Maximum number of tokens. Default 128, as on <c>/generate</c>.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>Minimum number of tokens before the end of sequence. Default 0.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>Ignore the end of sequence before <see cref="MaxNewTokens"/>. Default false.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Texts that end the answer; the text itself is cut off.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Token ids that end the answer.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Picks another stream of answers. Default 0.</summary>
    public long Seed { get; init; }
}

/// <summary>What kind of text the model makes.</summary>
public sealed record ModelOptions
{
    /// <summary>Also say words with quotes, backslashes, newlines and characters of two to four bytes. Default true.</summary>
    public bool FancyTokens { get; init; } = true;

    /// <summary>
    /// Chance of the end of sequence at each token, in thousandths, 0 ... 1000. Default 5 (answers of some 200 tokens).
    /// </summary>
    public int EosPerMille { get; init; } = 5;
}
