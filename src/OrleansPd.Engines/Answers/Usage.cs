namespace OrleansPd.Engines.Answers;

/// <summary>Token counts of an answer.</summary>
/// <param name="PromptTokens">Tokens read.</param>
/// <param name="CompletionTokens">Tokens written.</param>
/// <param name="ReasoningTokens">Tokens written that are reasoning.</param>
/// <param name="CachedTokens">Tokens read that were in a prefix cache.</param>
public readonly record struct Usage(long PromptTokens, long CompletionTokens, long ReasoningTokens = 0, long CachedTokens = 0)
{
    /// <summary>Tokens read and written.</summary>
    public long TotalTokens => PromptTokens + CompletionTokens;
}
