namespace OrleansPd.Core.Policies;

/// <summary>The policies of one model, as its operator wrote them: <c>MODEL=PREFILL[,DECODE]</c>.</summary>
/// <param name="Model">The model's own name.</param>
/// <param name="Prefill">Policy for its prefill workers, and for its regular ones.</param>
/// <param name="Decode">Policy for its decode workers.</param>
public sealed record ModelPolicySpec(string Model, string Prefill, string Decode)
{
    /// <exception cref="FormatException">
    /// It is not of that form, or a policy is unknown; the message is for whoever wrote it.
    /// </exception>
    public static ModelPolicySpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        // Policies have no '=', paths of models may.
        var equals = text.LastIndexOf('=');
        var names = equals < 1 ? [] : text[(equals + 1)..].Split(',', StringSplitOptions.TrimEntries);
        if (names.Length is not (1 or 2) || text[..equals].Trim().Length == 0)
        {
            throw new FormatException($"'{text}' is not MODEL=PREFILL[,DECODE]");
        }
        foreach (var name in names)
        {
            if (PolicyTable.Problem(name) is { } problem)
            {
                throw new FormatException($"'{name}' {problem}");
            }
        }
        return new(text[..equals].Trim(), names[0], names.Length == 2 ? names[1] : PolicyTable.OnDecode(names[0]));
    }
}
