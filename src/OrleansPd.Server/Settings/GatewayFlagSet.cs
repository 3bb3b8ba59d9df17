using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OrleansPd.Server.CommandLine;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Settings;

/// <summary>The options of one <c>gateway</c> command, or of another that has all of its flags and some more.</summary>
internal sealed class GatewayFlagSet
{
    private readonly IReadOnlyList<(string Title, IReadOnlyList<GatewayFlag> Flags)> _groups;
    private readonly Dictionary<string, Option> _options;

    private readonly (RouterFlag Flag, Option Option)[] _router =
        [.. RouterFlags.All.Select(flag => (flag, flag.CreateOption()))];

    /// <param name="sections">Configuration sections beside the gateway's.</param>
    /// <param name="groups">Flags for them; they come first in the help.</param>
    public GatewayFlagSet(
        (string Name, Type Options)[]? sections = null, IReadOnlyList<(
            string Title, IReadOnlyList<GatewayFlag> Flags)>? groups = null)
    {
        Settings = new(sections ?? []);
        _groups = [.. groups ?? [], .. GatewayFlags.Groups];
        All = [.. _groups.SelectMany(group => group.Flags)];
        _options = All.ToDictionary(flag => flag.Name, flag => flag.CreateOption());
    }

    public IReadOnlyList<GatewayFlag> All { get; }

    /// <summary>What can be set.</summary>
    public SettingPath Settings { get; }

    public WorkerFlags Workers { get; } = new();

    public Option<string?> Config { get; } = new("--config")
    {
        Description = "[ours] JSON file with the same settings: "
            + "{\"Gateway\": {\"Port\": 30000}, \"ControlPlane\": {\"Policy\": \"random\"}}.",
        HelpName = "FILE",
    };

    /// <summary>SGLang names the backend; only its own is served.</summary>
    public Option<string?> Backend { get; } = new("--backend", "--runtime") { Hidden = true };

    public void AddTo(DocumentedCommand command)
    {
        command.Add("Engines", Workers.All);
        foreach (var (title, flags) in _groups)
        {
            command.Add(title, flags.Select(flag => _options[flag.Name]));
        }

        command.Add("Settings", Config);
        foreach (var (_, option) in _router)
        {
            command.Add(option);
        }

        command.Add(Backend);
    }

    /// <summary>What was given by flags, under its configuration keys.</summary>
    public Dictionary<string, string?> Read(ParseResult parsed)
    {
        var keys = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var flag in All)
        {
            if (!IsGiven(parsed, _options[flag.Name]))
            {
                continue;
            }

            switch (_options[flag.Name])
            {
                case Option<bool> option:
                    var given = parsed.GetValue(option);
                    if (flag.Means is null)
                    {
                        keys[flag.Key] = given ? "true" : "false";
                    }
                    else if (given)
                    {
                        keys[flag.Key] = flag.Means;
                    }

                    break;
                case Option<string> option:
                    keys[flag.Key] = parsed.GetValue(option);
                    break;
                case Option<string[]> option:
                    var values = parsed.GetValue(option) ?? [];
                    if (values.Length == 0)
                    {
                        throw new BadInputException($"{flag.Display}: {flag.Value} is missing.");
                    }

                    for (var i = 0; i < values.Length; i++)
                    {
                        keys[$"{flag.Key}:{i.ToString(CultureInfo.InvariantCulture)}"] = values[i];
                    }

                    break;
            }
        }

        return keys;
    }

    /// <summary>Warns of the router's flags that do nothing here, and refuses those that must not do nothing.</summary>
    public void CheckRouterFlags(ParseResult parsed, List<string> warnings)
    {
        if (parsed.GetValue(Backend) is { } backend && backend != "sglang")
        {
            throw new BadInputException($"--backend: only sglang is served, not '{backend}'.");
        }

        foreach (var (flag, option) in _router)
        {
            if (!IsGiven(parsed, option))
            {
                continue;
            }

            if (flag.Refused)
            {
                throw new BadInputException($"{flag.Display} is not served: {flag.Reason}.");
            }

            warnings.Add($"{flag.Display} is ignored: {flag.Reason}.");
        }
    }

    private static bool IsGiven(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is OptionResult { Implicit: false };
}
