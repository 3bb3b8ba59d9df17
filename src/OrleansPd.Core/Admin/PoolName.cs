namespace OrleansPd.Core.Admin;

/// <summary>Name of a pool: the workers of one role and one model, as their operator configured it.</summary>
/// <param name="Model">The model; null = as the engines report.</param>
public readonly record struct PoolName(WorkerRole Role, string? Model)
{
    /// <summary>Text for a model that was not configured.</summary>
    public const string AnyModel = "-";

    /// <summary>Maximum length of a model name, in characters.</summary>
    public const int MaxLength = 256;

    public static PoolName Of(WorkerSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return new(spec.Role, spec.Model);
    }

    /// <summary>Parses the result of <see cref="ToString"/>. False: role or model is missing or invalid.</summary>
    public static bool TryParse(string? text, out PoolName name)
    {
        name = default;
        if (text?.Split('/', 2) is not [var role, { Length: > 0 } model]
            || !WireName.TryParse<WorkerRole>(role, out var found))
        {
            return false;
        }
        name = new(found, model == AnyModel ? null : model);
        return true;
    }

    /// <summary><c>{role}/{model}</c>, with <c>-</c> for a model that was not configured.</summary>
    public override string ToString() => $"{WireName.Of(Role)}/{Model ?? AnyModel}";
}
