namespace OrleansPd.Core.Policies;

/// <summary>The policies of one model, as <c>MODEL=PREFILL[,DECODE]</c>.</summary>
/// <param name="Model">The model's own name, not an alias.</param>
/// <param name="Prefill">Policy for its prefill workers, and for its regular ones.</param>
/// <param name="Decode">Policy for its decode workers.</param>
public sealed record ModelPolicySpec(string Model, string Prefill, string Decode)
{
    /// <returns>Null when the form is wrong or a policy is unknown; <paramref name="problem"/> is the reason.</returns>
    public static ModelPolicySpec? TryParse(string text, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        // Names of policies contain no '=', paths of models may.
        var equals = text.LastIndexOf('=');
        var names = equals < 1 ? [] : text[(equals + 1)..].Split(',', StringSplitOptions.TrimEntries);
        if (names.Length is not (1 or 2) || text[..equals].Trim().Length == 0)
        {
            problem = $"'{text}' is not MODEL=PREFILL[,DECODE]";
            return null;
        }
        problem = names.Select(name => PolicyTable.Problem(name) is { } wrong ? $"'{name}' {wrong}" : null)
            .FirstOrDefault(wrong => wrong is not null);
        return problem is null
            ? new(text[..equals].Trim(), names[0], names.Length == 2 ? names[1] : PolicyTable.OnDecode(names[0]))
            : null;
    }
}
