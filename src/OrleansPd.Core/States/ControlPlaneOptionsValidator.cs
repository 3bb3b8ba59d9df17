using OrleansPd.Core.Policies;

namespace OrleansPd.Core.States;

/// <summary>
/// Everything that makes <see cref="ControlPlaneOptions"/> unusable. To be called before a control plane is made of them: the
/// command line, the gateway and the cluster report the same problems.
/// </summary>
public static class ControlPlaneOptionsValidator
{
    public static IReadOnlyList<OptionProblem> Validate(ControlPlaneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return [.. OptionRules.Check(options), .. Policies(options), .. Times(options), .. Facade(options), .. Workers(options)];
    }

    private static IEnumerable<OptionProblem> Policies(ControlPlaneOptions options)
    {
        foreach (var (setting, name) in new[]
        {
            (nameof(options.Policy), options.Policy),
            (nameof(options.PrefillPolicy), options.PrefillPolicy),
            (nameof(options.DecodePolicy), options.DecodePolicy),
        })
        {
            if (!string.IsNullOrEmpty(name) && PolicyTable.Problem(name) is { } problem)
                yield return new(setting, $"'{name}' {problem}");
        }
        var models = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < options.ModelPolicy.Count; i++)
        {
            if (ModelPolicySpec.TryParse(options.ModelPolicy[i], out var problem) is not { } spec)
                yield return new($"{nameof(options.ModelPolicy)}:{i}", problem!);
            else if (!models.Add(spec.Model))
                yield return new($"{nameof(options.ModelPolicy)}:{i}", $"'{spec.Model}' is named twice");
        }
    }

    private static IEnumerable<OptionProblem> Times(ControlPlaneOptions options)
    {
        if (options.StallBrokenSecs < options.StallSuspectSecs)
        {
            yield return new(nameof(options.StallBrokenSecs),
                $"{options.StallBrokenSecs} is less than {nameof(options.StallSuspectSecs)} ({options.StallSuspectSecs})");
        }
    }

    private static IEnumerable<OptionProblem> Facade(ControlPlaneOptions options)
    {
        if (!options.BootstrapFacade)
            yield break;
        if (string.IsNullOrWhiteSpace(options.FacadeHost))
        {
            yield return new(nameof(options.FacadeHost),
                $"is needed with {nameof(options.BootstrapFacade)}: the address under which decode engines reach this host");
        }
        else if (Uri.CheckHostName(options.FacadeHost.Trim('[', ']')) == UriHostNameType.Unknown)
        {
            yield return new(nameof(options.FacadeHost), $"'{options.FacadeHost}' is not a host name or an address");
        }
    }

    private static IEnumerable<OptionProblem> Workers(ControlPlaneOptions options)
    {
        var ids = new HashSet<WorkerId>();
        var addresses = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < options.Workers.Count; i++)
        {
            var worker = options.Workers[i];
            var path = $"{nameof(options.Workers)}:{i}:";
            foreach (var problem in OptionRules.Check(worker, path))
                yield return problem;
            if (worker.Url is not { } url)
            {
                continue; // reported as missing
            }
            if (UrlProblem(url) is { } wrong)
                yield return new(path + nameof(worker.Url), wrong);
            else if (!addresses.Add(url.GetLeftPart(UriPartial.Authority)))
                yield return new(path + nameof(worker.Url), $"{url.GetLeftPart(UriPartial.Authority)} is named twice");
            else if (worker.Id is { } id && !ids.Add(id))
                yield return new(path + nameof(worker.Id), $"'{id}' is named twice");
        }
    }

    private static string? UrlProblem(Uri url)
    {
        if (!url.IsAbsoluteUri || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
            return $"'{url.OriginalString}' is not a URL such as http://10.0.0.1:30000";
        return url.AbsolutePath != "/" || url.Query.Length > 0 || url.UserInfo.Length > 0
            ? $"'{url.OriginalString}' must be the engine's address alone, without path, query or user"
            : null;
    }
}
