namespace OrleansPd.Server.Settings;

/// <summary>The flags that add engines.</summary>
internal sealed class WorkerFlags
{
    public Option<string[]> Prefill { get; } = List("--prefill", "URL [BOOTSTRAP_PORT]",
        "Prefill engine, and the port of its KV bootstrap server; without the port, or with 'none', the engine is asked. "
        + "Repeatable.");

    public Option<string[]> Decode { get; } = List("--decode", "URL", "Decode engine. Repeatable.");

    public Option<string[]> Worker { get; } = List(
        "--worker", "URL", "[ours] Regular engine, which does both prefill and decode. Repeatable.");

    public Option<string[]> WorkerUrls { get; } = List("--worker-urls", "URL...", "Regular engines.");

    public Option<string?> ApiKey { get; } = new("--api-key")
    {
        Description = "API key that the gateway sends to engines given by flags. Clients must send the same key to the gateway, "
            + "as with the SGLang router.",
        HelpName = "KEY",
    };

    /// <summary>Accepted because the router has it.</summary>
    public Option<bool> PdDisaggregation { get; } = new("--pd-disaggregation")
    {
        Description = "Serve by prefill-decode pairs. Accepted, but not needed: the given engines decide.",
    };

    public IEnumerable<Option> All => [Prefill, Decode, Worker, WorkerUrls, ApiKey, PdDisaggregation];

    public static string FlagOf(WorkerRole role) => role switch
    {
        WorkerRole.Prefill => "--prefill",
        WorkerRole.Decode => "--decode",
        _ => "--worker",
    };

    /// <summary>Keys under <c>ControlPlane:Workers</c>; none if no engine was given.</summary>
    public Dictionary<string, string?> Read(ParseResult parsed)
    {
        foreach (var flag in new[] { Prefill, Decode, Worker })
        {
            // An empty shell variable must not start a gateway without engines. The router allows an empty --worker-urls.
            if (parsed.GetResult(flag) is { Implicit: false, Tokens.Count: 0 })
                throw new BadInputException($"{flag.Name}: the engine's URL is missing, such as http://10.0.0.1:30000.");
        }
        var keys = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var next = 0;
        ReadPrefills(parsed.GetValue(Prefill) ?? [], keys, ref next);
        foreach (var url in parsed.GetValue(Decode) ?? [])
            Add(url, WorkerRole.Decode, keys, ref next);
        foreach (var url in (parsed.GetValue(Worker) ?? []).Concat(parsed.GetValue(WorkerUrls) ?? []))
            Add(url, WorkerRole.Regular, keys, ref next);
        return keys;
    }

    /// <summary>A word that is no URL belongs to the URL before it.</summary>
    private static void ReadPrefills(string[] words, Dictionary<string, string?> keys, ref int next)
    {
        string? last = null;
        foreach (var word in words)
        {
            if (word.Contains("://", StringComparison.Ordinal))
            {
                last = Add(word, WorkerRole.Prefill, keys, ref next);
                continue;
            }
            if (last is null || keys.ContainsKey($"{last}:BootstrapPort"))
                throw new BadInputException($"--prefill: '{word}' is not a URL such as http://10.0.0.1:30000.");
            var none = word.Equals("none", StringComparison.OrdinalIgnoreCase);
            if (!none
                && (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535))
            {
                throw new BadInputException($"--prefill: '{word}' is not a bootstrap port; give 1 to 65535, or 'none'.");
            }
            keys[$"{last}:BootstrapPort"] = none ? null : word;
        }
    }

    private static string Add(string url, WorkerRole role, Dictionary<string, string?> keys, ref int next)
    {
        var prefix = $"ControlPlane:Workers:{next++.ToString(CultureInfo.InvariantCulture)}";
        keys[$"{prefix}:Url"] = url;
        keys[$"{prefix}:Role"] = role.ToString();
        return prefix;
    }

    private static Option<string[]> List(string name, string value, string help) => new(name)
    {
        AllowMultipleArgumentsPerToken = true,
        Arity = ArgumentArity.ZeroOrMore,
        Description = help,
        HelpName = value,
    };
}
