namespace OrleansPd.Simulator.Model;

/// <summary>
/// The answer of an engine that does prefill and decode itself, computed in process. What a pair answers through any number
/// of hops must equal it, token for token.
/// </summary>
public static class ReferenceModel
{
    public static int[] Tokenize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Tokenizer.Tokens(text);
    }

    public static string Detokenize(ReadOnlySpan<int> tokens) => Tokenizer.Text(tokens);

    /// <summary>The text that follows <paramref name="text"/>.</summary>
    public static string Complete(string text, int maxNewTokens, Sampling? sampling = null, ModelOptions? model = null) =>
        Run(Tokenize(text), (sampling ?? new Sampling()) with { MaxNewTokens = maxNewTokens }, model).Text;

    /// <summary>The text that follows the prompt of <paramref name="tokens"/>.</summary>
    public static string CompleteTokens(int[] tokens, int maxNewTokens, Sampling? sampling = null, ModelOptions? model = null) =>
        Run(tokens, (sampling ?? new Sampling()) with { MaxNewTokens = maxNewTokens }, model).Text;

    /// <summary>The token ids that follow, the one that ended the answer included.</summary>
    public static int[] CompleteIds(int[] tokens, int maxNewTokens, Sampling? sampling = null, ModelOptions? model = null) =>
        Run(tokens, (sampling ?? new Sampling()) with { MaxNewTokens = maxNewTokens }, model).Ids;

    /// <summary>The assistant's answer to <paramref name="turns"/>.</summary>
    public static string CompleteChat(
        IReadOnlyList<ChatTurn> turns, int maxNewTokens, Sampling? sampling = null, ModelOptions? model = null,
        bool continueFinalMessage = false) =>
        Complete(ChatTemplate.Render(turns, continueFinalMessage), maxNewTokens, sampling, model);

    /// <summary>Text, ids and the type of the finish reason (<c>stop</c> or <c>length</c>).</summary>
    public static (string Text, int[] Ids, string Finish) Run(int[] tokens, Sampling sampling, ModelOptions? model = null)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(sampling);
        var sequence = new Sequence(model ?? new ModelOptions(), sampling, Prompt.Forward(tokens).State);
        var text = new StringBuilder();
        while (sequence.Finish is null)
            text.Append(sequence.Commit(sequence.Sample().Id));
        return (text.ToString(), [.. sequence.Output], sequence.Finish.Type);
    }
}
