namespace OrleansPd.Engines.Answers;

/// <summary>
/// Decides which streams can be resumed on another pair: those where the prompt and the text so far give the same continuation.
/// Excluded are several samples or prompts, log probabilities (the text so far would become part of the prompt), grammars (their
/// state is not in the text), sessions, hidden states and tools (their calls are parsed out of the text).
/// </summary>
internal static class Resumable
{
    public static bool Is(ReadOnlySpan<byte> body, RequestShape shape)
    {
        if (!shape.Stream || shape.IsBatch || shape.Samples > 1 || shape.ReturnLogprob
            || shape.PromptKind is not (PromptKind.Text or PromptKind.Ids or PromptKind.Messages))
        {
            return false;
        }
        var members = new JsonObjectReader(body, 0);
        while (members.Read())
        {
            if (!JsonText.IsNull(members.Token) && (Forbids(members, shape.Dialect)
                || (members.KeyIs("sampling_params"u8) && HasGrammar(body, members.Value))))
            {
                return false;
            }
        }
        return !members.Failed;
    }

    private static bool Forbids(in JsonObjectReader member, Dialect dialect)
    {
        if (member.KeyIs("session_params"u8) || member.KeyIs("return_hidden_states"u8) || member.KeyIs("return_routed_experts"u8))
            return !member.Token.SequenceEqual("false"u8);
        if (dialect == Dialect.Generate)
            return member.KeyIs("session_id"u8);
        if (member.KeyIs("response_format"u8))
            return !member.Token.SequenceEqual("""{"type":"text"}"""u8);
        if (member.KeyIs("tools"u8) || member.KeyIs("functions"u8) || member.KeyIs("regex"u8) || member.KeyIs("ebnf"u8)
            || member.KeyIs("json_schema"u8) || member.KeyIs("structural_tag"u8) || member.KeyIs("suffix"u8))
        {
            return true;
        }
        if (member.KeyIs("input_ids"u8))
            return dialect == Dialect.Chat;
        // The client already continues a message, or wants data that would be wrong for a continuation.
        return (member.KeyIs("continue_final_message"u8) || member.KeyIs("echo"u8) || member.KeyIs("logprobs"u8))
            && !member.Token.SequenceEqual("false"u8);
    }

    private static bool HasGrammar(ReadOnlySpan<byte> body, Slice value)
    {
        var parameters = new JsonObjectReader(body, value.Start);
        while (parameters.Read())
        {
            if (!JsonText.IsNull(parameters.Token) && (parameters.KeyIs("json_schema"u8) || parameters.KeyIs("regex"u8)
                || parameters.KeyIs("ebnf"u8) || parameters.KeyIs("structural_tag"u8)))
            {
                return true;
            }
        }
        return parameters.Failed;
    }
}
