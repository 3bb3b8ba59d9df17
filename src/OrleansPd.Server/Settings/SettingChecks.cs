using System.Text.RegularExpressions;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Server.Settings;

/// <summary>Reports problems of options in the words of the flags, with the source that the value came from.</summary>
internal static partial class SettingChecks
{
    /// <summary>
    /// Seconds after which an engine itself ends its health check; with a shorter limit busy engines would look sick.
    /// </summary>
    private const int LeastHealthTimeout = 20;

    /// <exception cref="BadInputException">A setting cannot be used.</exception>
    public static void Check(GatewayOptions options, SettingSources sources, List<string> warnings)
    {
        foreach (var problem in GatewayOptionsValidator.Validate(options))
            throw Bad(problem, options.ControlPlane, sources);
        CheckHealthTimeout(options.ControlPlane, warnings);
        var clientsNeedKeys = options.ClientKeys.Count > 0 || !string.IsNullOrEmpty(options.ApiKey);
        if (clientsNeedKeys && string.IsNullOrEmpty(options.AdminApiKey))
            warnings.Add("--admin-api-key is not set: every client with a key can change the fleet and pause engines.");
    }

    /// <summary>Checks each property with its validation attributes.</summary>
    /// <exception cref="BadInputException">A value is out of range.</exception>
    public static void CheckRanges(object options, string section, SettingSources sources)
    {
        foreach (var problem in OptionRules.Check(options, section + ":"))
        {
            throw new BadInputException(
                $"{GatewayFlags.NameOf(problem.Setting)}: {problem.Problem}{GatewaySettings.Where(sources, problem.Setting)}.");
        }
    }

    private static BadInputException Bad(OptionProblem problem, ControlPlaneOptions plane, SettingSources sources)
    {
        var path = problem.Setting.Split(':');
        var name = path switch
        {
            [_, nameof(plane.Workers), var index, nameof(WorkerSpec.Url)] when WorkerAt(index) is { Url: not null } worker =>
                WorkerFlags.FlagOf(worker.Role),
            [_, nameof(plane.Workers), ..] => problem.Setting,
            _ => GatewayFlags.NameOf($"{path[0]}:{path[1]}"),
        };
        var sentence = Name().Replace(problem.Problem, word =>
            GatewayFlags.NameOf($"{path[0]}:{word}") is ['-', ..] and var flag ? flag : word.Value);
        return new BadInputException($"{name}: {sentence}{GatewaySettings.Where(sources, problem.Setting)}.");

        WorkerSpec WorkerAt(string index) => plane.Workers[int.Parse(index, CultureInfo.InvariantCulture)];
    }

    [GeneratedRegex(@"\b[A-Z][A-Za-z]+\b")]
    private static partial Regex Name();

    private static void CheckHealthTimeout(ControlPlaneOptions plane, List<string> warnings)
    {
        if (plane.HealthIntervalSecs == 0 || plane.HealthTimeoutSecs >= LeastHealthTimeout)
            return;
        var used = new ControlPlaneOptions().HealthTimeoutSecs;
        warnings.Add($"--health-check-timeout-secs: {plane.HealthTimeoutSecs} is too short, {used} is used: a busy engine "
            + $"takes up to {LeastHealthTimeout} s to answer.");
        plane.HealthTimeoutSecs = used;
    }
}
