namespace OrleansPd.Server.Settings;

/// <summary>A flag of the SGLang router that has no effect here.</summary>
/// <param name="Values">0 = a switch, 1 = one value, 2 = many.</param>
/// <param name="Refused">Its users rely on it, so the gateway does not start with it.</param>
internal sealed record RouterFlag(string Name, int Values, string Reason, bool Refused = false)
{
    public string Display => $"--{Name}";

    public Option CreateOption() => Values == 0
        ? new Option<bool>(Display) { Hidden = true }
        : new Option<string[]>(Display)
        {
            AllowMultipleArgumentsPerToken = Values == 2,
            Arity = ArgumentArity.ZeroOrMore,
            Hidden = true,
        };
}

/// <summary>Flags of the SGLang router that have no effect here, with the reason. They are accepted with a warning.</summary>
internal static class RouterFlags
{
    private const string Discovery = "engines are given by flags; there is no Kubernetes discovery";
    private const string History = "conversations are not stored";
    private const string Policies = "no policy here uses it";
    private const string Scrape = "/metrics is on the gateway's port, with fixed buckets";
    private const string Startup = "engines may take any time to start, and serve after their first successful generation";
    private const string Checks = "one failed check takes an engine out, one successful check brings it back";
    private const string Weighing = "cache_aware compares queued and cached tokens of each rank; it has no threshold";
    private const string Retries =
        "a retry starts at once, on another pair, within a budget of 20 % of the traffic; "
        + "only an engine's Retry-After delays it";
    private const string PrefixIndex = "the prefix index has a fixed size (--prefix-index-blocks) and evicts the oldest entries";
    private const string Tokenizer = "the gateway does not tokenize; engines do";
    private const string ControlKeys = "the management API does not support such keys; use --admin-api-key";

    public static IReadOnlyList<RouterFlag> All { get; } =
    [
        new("assignment-mode", 1, Policies),
        new("balance-abs-threshold", 1, Weighing),
        new("balance-rel-threshold", 1, Weighing),
        new("bucket-adjust-interval-secs", 1, Policies),
        new("cache-threshold", 1, Weighing),
        new("chat-template", 1, Tokenizer),
        new("control-plane-api-keys", 2, ControlKeys, Refused: true),
        new("control-plane-audit-enabled", 0, "changes of workers are always logged"),
        new("cors-allowed-origins", 2, "CORS is not supported; let a proxy in front add the headers"),
        new("decode-selector", 2, Discovery),
        new("disable-audit-logging", 0, "changes of workers are always logged"),
        new("disable-circuit-breaker", 0, "raise --cb-failure-threshold, --cb-failure-rate and --cb-min-requests instead"),
        new("dp-aware", 0, "the gateway always chooses the data-parallel rank"),
        new("enable-igw", 0, "several models are always served"),
        new("enable-wasm", 0, "plug-ins are not supported"),
        new("eviction-interval", 1, PrefixIndex),
        new("eviction-interval-secs", 1, PrefixIndex),
        new("health-check-endpoint", 1, "the gateway always queries /health"),
        new("health-failure-threshold", 1, Checks),
        new("health-success-threshold", 1, Checks),
        new("history-backend", 1, History),
        new("jwt-audience", 1, ControlKeys, Refused: true),
        new("jwt-issuer", 1, ControlKeys, Refused: true),
        new("jwt-jwks-uri", 1, ControlKeys, Refused: true),
        new("jwt-role-claim", 1, ControlKeys, Refused: true),
        new("jwt-role-mapping", 2, ControlKeys, Refused: true),
        new("log-dir", 1, "logs go to standard error"),
        new("max-idle-secs", 1, "the session table is limited by number (131072), not by time"),
        new("max-tree-size", 1, PrefixIndex),
        new("mcp-config-path", 1, "the gateway calls no tools"),
        new("mini-lb", 0, "there is only one kind of gateway"),
        new("model-path", 1, Tokenizer),
        new("oracle-connect-descriptor", 1, History),
        new("oracle-dsn", 1, History),
        new("oracle-password", 1, History),
        new("oracle-pool-max", 1, History),
        new("oracle-pool-min", 1, History),
        new("oracle-pool-timeout-secs", 1, History),
        new("oracle-tns-alias", 1, History),
        new("oracle-user", 1, History),
        new("oracle-username", 1, History),
        new("oracle-wallet-path", 1, History),
        new("postgres-db-url", 1, History),
        new("postgres-pool-max", 1, History),
        new("postgres-pool-max-size", 1, History),
        new("prefill-selector", 2, Discovery),
        new("prefix-hash-load-factor", 1, Policies),
        new("prefix-token-count", 1, Policies),
        new("prometheus-duration-buckets", 2, Scrape),
        new("prometheus-host", 1, Scrape),
        new("prometheus-port", 1, Scrape),
        new("reasoning-parser", 1, "engines parse reasoning"),
        new("redis-key-prefix", 1, Policies),
        new("redis-pool-max", 1, History),
        new("redis-retention-days", 1, History),
        new("redis-url", 1, "conversations are not stored; --redis joins a cluster of gateways"),
        new("retry-backoff-multiplier", 1, Retries),
        new("retry-initial-backoff-ms", 1, Retries),
        new("retry-jitter-factor", 1, Retries),
        new("retry-max-backoff-ms", 1, Retries),
        new("selector", 2, Discovery),
        new("service-discovery", 0, Discovery, Refused: true),
        new("service-discovery-namespace", 1, Discovery),
        new("service-discovery-port", 1, Discovery),
        new("test-external-dp-routing", 0, "the gateway always chooses the data-parallel rank"),
        new("tokenizer-cache-enable-l0", 0, Tokenizer),
        new("tokenizer-cache-enable-l1", 0, Tokenizer),
        new("tokenizer-cache-l0-max-entries", 1, Tokenizer),
        new("tokenizer-cache-l1-max-memory", 1, Tokenizer),
        new("tokenizer-path", 1, Tokenizer),
        new("tool-call-parser", 1, "engines parse tool calls"),
        new("worker-startup-check-interval", 1, Startup),
        new("worker-startup-timeout-secs", 1, Startup),
    ];
}
