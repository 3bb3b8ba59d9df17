namespace OrleansPd.Engines.Answers;

/// <summary>Token counts of an answer.</summary>
/// <param name="PromptTokens">Tokens read.</param>
/// <param name="CompletionTokens">Tokens written.</param>
/// <param name="ReasoningTokens">Of the written ones, those of the model's reasoning.</param>
/// <param name="CachedTokens">Of the read ones, those that a prefix cache had.</param>
public readonly record struct Usage(long PromptTokens, long CompletionTokens, long ReasoningTokens = 0, long CachedTokens = 0)
{
    /// <summary>Tokens read and written.</summary>
    public long TotalTokens => PromptTokens + CompletionTokens;
}
