using System.Text.RegularExpressions;
using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Settings;

/// <summary>Checks settings against what their options classes allow, in the words of the flags.</summary>
internal static partial class SettingChecks
{
    /// <summary>
    /// Seconds after which an engine itself ends its health check; a shorter limit would make busy engines look sick.
    /// </summary>
    private const int LeastHealthTimeout = 20;

    /// <exception cref="BadInputException">A value is out of range.</exception>
    public static void Check(GatewayOptions options, SettingSources sources, List<string> warnings)
    {
        CheckRanges(options, Sections.Gateway, sources);
        foreach (var problem in ControlPlaneOptionsValidator.Validate(options.ControlPlane))
        {
            throw Bad(problem, options.ControlPlane, sources);
        }

        CheckHealthTimeout(options.ControlPlane, warnings);
        CheckModels(options, sources);
        SecurityChecks.Check(options, warnings);
    }

    /// <summary>The problem in the words of the flags.</summary>
    private static BadInputException Bad(OptionProblem problem, ControlPlaneOptions plane, SettingSources sources)
    {
        var key = $"ControlPlane:{problem.Setting}";
        var path = problem.Setting.Split(':');
        var name = path switch
        {
            [nameof(plane.Workers), var index, nameof(WorkerSpec.Url)] when plane.Workers[int.Parse(index)].Url is not null =>
                WorkerFlags.FlagOf(plane.Workers[int.Parse(index)].Role),
            [nameof(plane.Workers), ..] => key,
            _ => GatewayFlags.NameOf($"{Sections.ControlPlane}:{path[0]}"),
        };
        var sentence = Name().Replace(problem.Problem, word =>
            GatewayFlags.NameOf($"{Sections.ControlPlane}:{word}") is ['-', ..] and var flag ? flag : word.Value);
        return new BadInputException($"{name}: {sentence}{GatewaySettings.Where(sources, key)}.");
    }

    [GeneratedRegex(@"\b[A-Z][A-Za-z]+\b")]
    private static partial Regex Name();

    private static void CheckHealthTimeout(ControlPlaneOptions plane, List<string> warnings)
    {
        if (plane.HealthIntervalSecs == 0 || plane.HealthTimeoutSecs >= LeastHealthTimeout)
        {
            return;
        }

        var used = new ControlPlaneOptions().HealthTimeoutSecs;
        warnings.Add($"--health-check-timeout-secs: {plane.HealthTimeoutSecs} is too short, {used} is used: a busy engine "
            + $"takes up to {LeastHealthTimeout} s to answer.");
        plane.HealthTimeoutSecs = used;
    }

    private static void CheckModels(GatewayOptions options, SettingSources sources)
    {
        var aliases = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < options.ModelAlias.Count; i++)
        {
            var given = options.ModelAlias[i];
            if (given.Split('=', 2, StringSplitOptions.TrimEntries) is not [{ Length: > 0 } alias, { Length: > 0 } model])
            {
                throw new BadInputException($"--model-alias: '{given}' is not ALIAS=MODEL{At("Gateway:ModelAlias", i)}.");
            }

            if (!aliases.TryAdd(alias, model))
            {
                throw new BadInputException($"--model-alias: '{alias}' has two models{At("Gateway:ModelAlias", i)}.");
            }
        }

        for (var i = 0; i < options.ControlPlane.ModelPolicy.Count; i++)
        {
            var model = ModelPolicySpec.Parse(options.ControlPlane.ModelPolicy[i]).Model;
            if (aliases.TryGetValue(model, out var own))
            {
                throw new BadInputException(
                    $"--model-policy: '{model}' is an alias; name its model, '{own}'{At("ControlPlane:ModelPolicy", i)}.");
            }
        }

        string At(string key, int index) => GatewaySettings.Where(sources, $"{key}:{index}");
    }

    /// <summary>Checks each property with its validation attributes.</summary>
    public static void CheckRanges(object options, string section, SettingSources sources)
    {
        foreach (var problem in OptionRules.Check(options))
        {
            var key = $"{section}:{problem.Setting}";
            throw new BadInputException($"{GatewayFlags.NameOf(key)}: {problem.Problem}{GatewaySettings.Where(sources, key)}.");
        }
    }
}
