using System.CommandLine.Parsing;

namespace OrleansPd.Server.Settings;

/// <summary>The options of one <c>gateway</c> command.</summary>
internal sealed class GatewayFlagSet
{
    private readonly Dictionary<GatewayFlag, Option> _options =
        GatewayFlags.All.ToDictionary(flag => flag, flag => flag.CreateOption());

    private readonly (RouterFlag Flag, Option Option)[] _router =
        [.. RouterFlags.All.Select(flag => (flag, flag.CreateOption()))];

    public WorkerFlags Workers { get; } = new();

    public Option<string?> Config { get; } = new("--config")
    {
        Description = "[ours] JSON file with the same settings: "
            + "{\"Gateway\": {\"Port\": 30000}, \"ControlPlane\": {\"Policy\": \"random\"}}.",
        HelpName = "FILE",
    };

    /// <summary>The router serves several backends; this gateway serves SGLang only.</summary>
    public Option<string?> Backend { get; } = new("--backend", "--runtime") { Hidden = true };

    public void AddTo(DocumentedCommand command)
    {
        command.Add("Engines", Workers.All);
        foreach (var (title, flags) in GatewayFlags.Groups)
            command.Add(title, flags.Select(flag => _options[flag]));
        command.Add("Settings", Config);
        foreach (var (_, option) in _router)
            command.Add(option);
        command.Add(Backend);
    }

    /// <summary>The given flags by configuration key.</summary>
    public Dictionary<string, string?> Read(ParseResult parsed)
    {
        var keys = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (flag, given) in _options.Where(option => IsGiven(parsed, option.Value)))
        {
            switch (given)
            {
                case Option<bool> option:
                    var isOn = parsed.GetValue(option);
                    if (flag.Sets is null)
                        keys[flag.Key] = isOn ? "true" : "false";
                    else if (isOn)
                        keys[flag.Key] = flag.Sets;
                    break;
                case Option<string> option:
                    keys[flag.Key] = parsed.GetValue(option);
                    break;
                case Option<string[]> option:
                    var values = parsed.GetValue(option) ?? [];
                    if (values.Length == 0)
                        throw new BadInputException($"{flag.Display}: {flag.Value} is missing.");
                    for (var i = 0; i < values.Length; i++)
                        keys[$"{flag.Key}:{i.ToString(CultureInfo.InvariantCulture)}"] = values[i];
                    break;
            }
        }
        return keys;
    }

    /// <summary>Warns of router flags that have no effect here, and refuses those that users rely on.</summary>
    public void CheckRouterFlags(ParseResult parsed, List<string> warnings)
    {
        if (parsed.GetValue(Backend) is { } backend && backend != "sglang")
            throw new BadInputException($"--backend: only sglang is served, not '{backend}'.");
        foreach (var (flag, option) in _router)
        {
            if (!IsGiven(parsed, option))
                continue;
            if (flag.Refused)
                throw new BadInputException($"{flag.Display} is not served: {flag.Reason}.");
            warnings.Add($"{flag.Display} is ignored: {flag.Reason}.");
        }
    }

    private static bool IsGiven(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is OptionResult { Implicit: false };
}
