using System.ComponentModel.DataAnnotations;
using System.Reflection;
using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Gateway.Options;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Settings;

/// <summary>Checks settings against what their options classes allow, in the words of the flags.</summary>
internal static class SettingChecks
{
    /// <summary>
    /// An engine's generating check ends after this by itself: who gives up earlier sees sick engines everywhere.
    /// </summary>
    private const int LeastHealthTimeout = 20;

    /// <exception cref="BadInputException">Something is out of its range.</exception>
    public static void Check(GatewayOptions options, SettingSources sources, List<string> warnings)
    {
        CheckRanges(options, Sections.Gateway, sources);
        CheckRanges(options.ControlPlane, Sections.ControlPlane, sources);
        CheckTimes(options.ControlPlane, sources, warnings);
        CheckFacade(options.ControlPlane, sources);
        CheckModels(options, sources);
        SecurityChecks.Check(options, warnings);
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < options.ControlPlane.Workers.Count; i++)
        {
            var worker = options.ControlPlane.Workers[i];
            var key = $"ControlPlane:Workers:{i}";
            var name = $"{WorkerFlags.FlagOf(worker.Role)}{GatewaySettings.Where(sources, $"{key}:Url")}";
            // A binder fills required members only if the file has them.
            var url = worker.Url
                ?? throw new BadInputException($"{key} has no Url{GatewaySettings.Where(sources, $"{key}:Role")}.");
            if (!url.IsAbsoluteUri || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
            {
                throw new BadInputException($"{name}: '{url.OriginalString}' is not a URL such as http://10.0.0.1:30000.");
            }

            if (url.AbsolutePath != "/" || url.Query.Length > 0 || url.UserInfo.Length > 0)
            {
                throw new BadInputException(
                    $"{name}: '{url.OriginalString}' must be the engine's address alone, without path, query or user.");
            }

            if (!seen.Add(url.GetLeftPart(UriPartial.Authority)))
            {
                throw new BadInputException($"{name}: {url.GetLeftPart(UriPartial.Authority)} is named twice.");
            }

            CheckRanges(worker, key, sources);
        }
    }

    private static void CheckTimes(ControlPlaneOptions plane, SettingSources sources, List<string> warnings)
    {
        if (plane.StallBrokenSecs < plane.StallSuspectSecs)
        {
            const string key = "ControlPlane:StallBrokenSecs";
            throw new BadInputException($"{GatewayFlags.NameOf(key)}: {plane.StallBrokenSecs} is less than --stall-suspect-secs "
                + $"({plane.StallSuspectSecs}){GatewaySettings.Where(sources, key)}.");
        }

        if (plane.HealthIntervalSecs == 0 || plane.HealthTimeoutSecs >= LeastHealthTimeout)
        {
            return;
        }

        var used = new ControlPlaneOptions().HealthTimeoutSecs;
        warnings.Add($"--health-check-timeout-secs: {plane.HealthTimeoutSecs} is too short, {used} is used: a busy engine "
            + $"takes up to {LeastHealthTimeout} s to answer and is well.");
        plane.HealthTimeoutSecs = used;
    }

    private static void CheckFacade(ControlPlaneOptions plane, SettingSources sources)
    {
        const string key = "ControlPlane:FacadeHost";
        if (!plane.BootstrapFacade)
        {
            return;
        }

        if (string.IsNullOrWhiteSpace(plane.FacadeHost))
        {
            throw new BadInputException(
                "--bootstrap-facade needs --facade-host: the address under which decode engines reach this host.");
        }

        if (Uri.CheckHostName(plane.FacadeHost.Trim('[', ']')) == UriHostNameType.Unknown)
        {
            throw new BadInputException(
                $"--facade-host: '{plane.FacadeHost}' is not a host name or an address{GatewaySettings.Where(sources, key)}.");
        }
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

        var models = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < options.ControlPlane.ModelPolicy.Count; i++)
        {
            try
            {
                var model = ModelPolicySpec.Parse(options.ControlPlane.ModelPolicy[i]).Model;
                if (aliases.TryGetValue(model, out var own))
                {
                    throw new FormatException($"'{model}' is an alias; name its model, '{own}'");
                }

                if (!models.Add(model))
                {
                    throw new FormatException($"'{model}' is named twice");
                }
            }
            catch (FormatException error)
            {
                throw new BadInputException($"--model-policy: {error.Message}{At("ControlPlane:ModelPolicy", i)}.");
            }
        }

        string At(string key, int index) => GatewaySettings.Where(sources, $"{key}:{index}");
    }

    /// <summary>Checks each property against its attributes.</summary>
    public static void CheckRanges(object options, string section, SettingSources sources)
    {
        foreach (var property in options.GetType().GetProperties(BindingFlags.Instance | BindingFlags.Public))
        {
            var value = property.GetValue(options);
            foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
            {
                if (rule.IsValid(value))
                {
                    continue;
                }

                var key = $"{section}:{property.Name}";
                var problem = rule switch
                {
                    RangeAttribute range => $"{value} is not between {range.Minimum} and {range.Maximum}",
                    RequiredAttribute => "may not be empty",
                    _ => rule.FormatErrorMessage(property.Name).TrimEnd('.'),
                };
                throw new BadInputException($"{GatewayFlags.NameOf(key)}: {problem}{GatewaySettings.Where(sources, key)}.");
            }
        }
    }
}
