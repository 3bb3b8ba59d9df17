using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>Names a pool: the workers of one role and of one model, as their operator named it.</summary>
/// <param name="Role">The role.</param>
/// <param name="Model">The model; null = left to the engines to tell.</param>
public readonly record struct PoolName(WorkerRole Role, string? Model)
{
    /// <summary>Stands for the model where it was left to the engines.</summary>
    public const string AnyModel = "-";

    /// <summary>Longest name of a model, in characters.</summary>
    public const int MostLetters = 256;

    /// <summary>The pool of a worker.</summary>
    public static PoolName Of(WorkerSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return new(spec.Role, spec.Model);
    }

    /// <summary>Reads <see cref="ToString"/> back. False: it names no role, or no model.</summary>
    public static bool TryParse(string? text, out PoolName name)
    {
        name = default;
        if (text?.Split('/', 2) is not [var role, { Length: > 0 } model]
            || Enum.GetValues<WorkerRole>().Where(r => NameOf(r) == role).ToArray() is not [var found])
        {
            return false;
        }
        name = new(found, model == AnyModel ? null : model);
        return true;
    }

    /// <summary><c>{role}/{model}</c>, with <c>-</c> for a model that was left to the engines.</summary>
    public override string ToString() => $"{NameOf(Role)}/{Model ?? AnyModel}";

    private static string NameOf(WorkerRole role) => role.ToString().ToLowerInvariant();
}
