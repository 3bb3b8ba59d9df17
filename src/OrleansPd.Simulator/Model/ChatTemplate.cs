namespace OrleansPd.Simulator.Model;

/// <summary>One message of a chat.</summary>
public sealed record ChatTurn(string Role, string Content);

internal static class ChatTemplate
{
    /// <summary>
    /// Every turn as <c> &lt;|role|&gt; content</c>, then the generation prompt. With <paramref name="continueFinal"/> a trailing
    /// assistant turn follows that prompt as raw text; without, the template shows it as a user turn.
    /// </summary>
    public static string Render(IReadOnlyList<ChatTurn> turns, bool continueFinal)
    {
        var text = new StringBuilder("<|begin|>");
        var raw = "";
        for (var i = 0; i < turns.Count; i++)
        {
            var turn = turns[i];
            var trailing = i == turns.Count - 1 && turn.Role == "assistant";
            if (trailing && continueFinal)
            {
                raw = turn.Content;
                break;
            }
            text.Append(" <|").Append(trailing ? "user" : turn.Role).Append("|> ").Append(turn.Content);
        }
        return text.Append(" <|assistant|>").Append(raw).ToString();
    }
}
