using OrleansPd.Core.Policies;
using OrleansPd.Gateway.Security;

namespace OrleansPd.Gateway.Hosting;

/// <summary>
/// Everything that makes <see cref="GatewayOptions"/> unusable, its control plane included. <see cref="GatewayServer"/> and the
/// command line report the same problems.
/// </summary>
public static class GatewayOptionsValidator
{
    private const string Section = "Gateway:", PlaneSection = "ControlPlane:";

    /// <returns>
    /// The problems, each with its configuration key: <c>Gateway:Port</c>, <c>ControlPlane:Workers:0:Url</c>. Empty = none. No
    /// problem contains a key of a client.
    /// </returns>
    public static IReadOnlyList<OptionProblem> Validate(GatewayOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var plane = ControlPlaneOptionsValidator.Validate(options.ControlPlane);
        return
        [
            .. OptionRules.Check(options, Section), .. plane.Select(p => p with { Setting = PlaneSection + p.Setting }),
            .. Models(options), .. Keys(options), .. AllowList(options),
        ];
    }

    private static IEnumerable<OptionProblem> Models(GatewayOptions options)
    {
        var aliases = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < options.ModelAlias.Count; i++)
        {
            var given = options.ModelAlias[i];
            var setting = $"{Section}{nameof(options.ModelAlias)}:{i}";
            if (given.Split('=', 2, StringSplitOptions.TrimEntries) is not [{ Length: > 0 } alias, { Length: > 0 } model])
                yield return new(setting, $"'{given}' is not ALIAS=MODEL");
            else if (!aliases.TryAdd(alias, model))
                yield return new(setting, $"'{alias}' has two models");
        }
        for (var i = 0; i < options.ControlPlane.ModelPolicy.Count; i++)
        {
            if (ModelPolicySpec.TryParse(options.ControlPlane.ModelPolicy[i], out _) is { } spec
                && aliases.TryGetValue(spec.Model, out var model))
            {
                yield return new($"{PlaneSection}{nameof(options.ControlPlane.ModelPolicy)}:{i}",
                    $"'{spec.Model}' is an alias; name its model, '{model}'");
            }
        }
    }

    private static IEnumerable<OptionProblem> Keys(GatewayOptions options)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "api-key" };
        for (var i = 0; i < options.ClientKeys.Count; i++)
        {
            string? problem = null;
            try
            {
                var spec = ClientKeySpec.Parse(options.ClientKeys[i]);
                problem = names.Add(spec.Name) ? null : $"the name '{spec.Name}' is taken";
            }
            catch (FormatException error)
            {
                problem = error.Message;
            }
            if (problem is not null)
                yield return new($"{Section}{nameof(options.ClientKeys)}:{i}", $"key number {i + 1} is invalid: {problem}");
        }
    }

    private static IEnumerable<OptionProblem> AllowList(GatewayOptions options)
    {
        string? problem = null;
        try
        {
            _ = new WorkerAllowList(options.WorkerUrlAllow);
        }
        catch (FormatException error)
        {
            problem = error.Message;
        }
        return problem is null ? [] : [new(Section + nameof(options.WorkerUrlAllow), problem)];
    }
}
