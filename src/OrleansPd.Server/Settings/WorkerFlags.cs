using System.CommandLine;
using System.Globalization;
using OrleansPd.Core.Workers;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Settings;

/// <summary>The flags that name engines.</summary>
internal sealed class WorkerFlags
{
    public Option<string[]> Prefill { get; } = List("--prefill", "URL [BOOTSTRAP_PORT]",
        "Prefill engine, and the port of its KV bootstrap server: a number, or 'none' to ask the engine. Repeatable.");

    public Option<string[]> Decode { get; } = List("--decode", "URL", "Decode engine. Repeatable.");

    public Option<string[]> Worker { get; } = List("--worker", "URL", "[ours] Engine that does both. Repeatable.");

    public Option<string[]> WorkerUrls { get; } = List("--worker-urls", "URL...", "Engines that do both.");

    public Option<string?> ApiKey { get; } = new("--api-key")
    {
        Description = "Key that the engines named by flags ask for, and that clients must then bring to the gateway, as with the SGLang router.",
        HelpName = "KEY",
    };

    /// <summary>Accepted for the router's users: here the engines that are named decide.</summary>
    public Option<bool> PdDisaggregation { get; } = new("--pd-disaggregation")
    {
        Description = "Serve prefill and decode apart; always so where there are prefill and decode engines.",
    };

    public IEnumerable<Option> All => [Prefill, Decode, Worker, WorkerUrls, ApiKey, PdDisaggregation];

    public static string FlagOf(WorkerRole role) => role switch
    {
        WorkerRole.Prefill => "--prefill",
        WorkerRole.Decode => "--decode",
        _ => "--worker",
    };

    /// <summary>Keys under <c>ControlPlane:Workers</c>; none if no engine was named.</summary>
    public Dictionary<string, string?> Read(ParseResult parsed)
    {
        var keys = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var next = 0;
        string? last = null;
        foreach (var flag in new[] { Prefill, Decode, Worker })
        {
            // A variable that is empty must not start a gateway without engines. The router's own --worker-urls may be empty.
            if (parsed.GetResult(flag) is { Implicit: false, Tokens.Count: 0 })
            {
                throw new BadInputException($"{flag.Name}: the engine's URL is missing, such as http://10.0.0.1:30000.");
            }
        }

        foreach (var word in parsed.GetValue(Prefill) ?? [])
        {
            // A word that is no URL belongs to the URL before it.
            if (word.Contains("://", StringComparison.Ordinal))
            {
                last = Add(word, WorkerRole.Prefill);
                continue;
            }

            if (last is null || keys.ContainsKey($"{last}:BootstrapPort"))
            {
                throw new BadInputException($"--prefill: '{word}' is not a URL such as http://10.0.0.1:30000.");
            }

            if (word.Equals("none", StringComparison.OrdinalIgnoreCase))
            {
                keys[$"{last}:BootstrapPort"] = null;
                continue;
            }

            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
            {
                throw new BadInputException($"--prefill: '{word}' is not a bootstrap port; give 1 to 65535, or 'none'.");
            }

            keys[$"{last}:BootstrapPort"] = word;
        }

        foreach (var url in parsed.GetValue(Decode) ?? [])
        {
            Add(url, WorkerRole.Decode);
        }

        foreach (var url in parsed.GetValue(Worker) ?? [])
        {
            Add(url, WorkerRole.Regular);
        }

        foreach (var url in parsed.GetValue(WorkerUrls) ?? [])
        {
            Add(url, WorkerRole.Regular);
        }

        return keys;

        string Add(string url, WorkerRole role)
        {
            var prefix = $"ControlPlane:Workers:{next++.ToString(CultureInfo.InvariantCulture)}";
            keys[$"{prefix}:Url"] = url;
            keys[$"{prefix}:Role"] = role.ToString();
            return prefix;
        }
    }

    private static Option<string[]> List(string name, string value, string help) => new(name)
    {
        AllowMultipleArgumentsPerToken = true,
        Arity = ArgumentArity.ZeroOrMore,
        Description = help,
        HelpName = value,
    };
}
