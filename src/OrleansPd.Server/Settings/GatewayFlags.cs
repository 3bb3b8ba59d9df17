using static OrleansPd.Server.Settings.FlagKind;

namespace OrleansPd.Server.Settings;

/// <summary>
/// The flags of the gateway in the order of its help. Names and meanings are those of the SGLang router, so that its users can
/// switch by changing the command; flags of ours are marked.
/// </summary>
internal static class GatewayFlags
{
    private const string Plane = "ControlPlane";

    public static IReadOnlyList<(string Title, IReadOnlyList<GatewayFlag> Flags)> Groups { get; } =
    [
        ("Listening",
        [
            new("host", Text, "ADDRESS", "Address to listen on. Default 0.0.0.0."),
            new("port", Whole, "PORT", "Port to listen on; 0 = any free one. Default 30000."),
            new("max-payload-size", Whole, "BYTES", "Largest request body. Default 536870912 (512 MiB)."),
            new("cors-allowed-origins", List, "ORIGIN...", "Origins that browsers may call from. Default none."),
        ]),
        ("Choosing engines",
        [
            new("policy", Policy, "NAME",
                "How engines are chosen: random, round_robin, power_of_two, least_load, cache_aware, consistent_hashing, session. "
                + "Default cache_aware.", Plane),
            new("prefill-policy", Policy, "NAME", "The same for prefill engines only.", Plane),
            new("decode-policy", Policy, "NAME", "The same for decode engines only.", Plane),
            new("cache-threshold", Number, "SHARE", "cache_aware: least share of a prompt that must match, 0-1.", Plane),
            new("balance-abs-threshold", Whole, "REQUESTS", "cache_aware: difference in load above which load decides.", Plane),
            new("balance-rel-threshold", Number, "FACTOR", "cache_aware: ratio of loads above which load decides.", Plane),
            new("eviction-interval-secs", Whole, "SECONDS", "cache_aware: time between clean-ups of the prefix index.", Plane),
            new("max-tree-size", Whole, "NODES", "cache_aware: most entries in the prefix index.", Plane),
            new("max-idle-secs", Whole, "SECONDS", "session: time after which an unused session is forgotten.", Plane),
        ]),
        ("Requests",
        [
            new("request-timeout-secs", Whole, "SECONDS", "Whole life of a request, queueing and retries included. Default 1800."),
            new("first-output-timeout-secs", Whole, "SECONDS", "[ours] Longest wait for the first output. Default 280."),
            new("strict-model", Switch, "", "[ours] Refuse models that are not served, even where only one is."),
            new("request-id-headers", List, "HEADER...", "Request headers that carry the client's own request id."),
            new("shutdown-grace-period-secs", Whole, "SECONDS", "Time that open requests get when stopping."),
        ]),
        ("Admission",
        [
            new("max-concurrent-requests", Whole, "REQUESTS", "Most requests in work at once; -1 = no limit."),
            new("queue-size", Whole, "REQUESTS", "Most requests that wait beyond that."),
            new("queue-timeout-secs", Whole, "SECONDS", "Longest wait in the queue."),
            new("rate-limit-tokens-per-second", Whole, "RATE", "Requests admitted per second, on average."),
        ]),
        ("Retries",
        [
            new("retry-max-retries", Whole, "TIMES", "Most attempts after the first."),
            new("retry-initial-backoff-ms", Whole, "MS", "Pause before the first retry."),
            new("retry-max-backoff-ms", Whole, "MS", "Longest pause between retries."),
            new("retry-backoff-multiplier", Number, "FACTOR", "Growth of the pause from one retry to the next."),
            new("retry-jitter-factor", Number, "SHARE", "Randomness of the pause, 0-1."),
            new("disable-retries", Switch, "", "Never retry."),
        ]),
        ("Health of engines",
        [
            new("cb-failure-threshold", Whole, "FAILURES", "Failures that take an engine out.", Plane),
            new("cb-success-threshold", Whole, "SUCCESSES", "Successes on trial that bring it back.", Plane),
            new("cb-timeout-duration-secs", Whole, "SECONDS", "Time until it is tried again.", Plane),
            new("cb-window-duration-secs", Whole, "SECONDS", "Time in which failures count together.", Plane),
            new("disable-circuit-breaker", Switch, "", "Never take an engine out for failed requests.", Plane),
            new("health-failure-threshold", Whole, "FAILURES", "Failed checks that make an engine unhealthy.", Plane),
            new("health-success-threshold", Whole, "SUCCESSES", "Good checks that make it healthy.", Plane),
            new("health-check-timeout-secs", Whole, "SECONDS", "Time for one check.", Plane),
            new("health-check-interval-secs", Whole, "SECONDS", "Time between checks.", Plane),
            new("health-check-endpoint", Text, "PATH", "Path of the check.", Plane),
            new("disable-health-check", Switch, "", "Do not check engines.", Plane),
            new("worker-startup-timeout-secs", Whole, "SECONDS", "Time an engine may take to come up.", Plane),
            new("worker-startup-check-interval", Whole, "SECONDS", "Time between checks of an engine that comes up.", Plane),
        ]),
        ("Keys, logs and metrics",
        [
            new("api-key", Text, "KEY", "Key sent to engines named by flags, and asked of clients."),
            new("log-level", LogLevel, "LEVEL", "debug, info, warn or error. Default info.", "Logging", "LogLevel:Default"),
            new("prometheus-port", Whole, "PORT", "Port of a second listener for /metrics."),
            new("prometheus-host", Text, "ADDRESS", "Address of that listener."),
            new("prometheus-duration-buckets", List, "SECONDS...", "Buckets of the duration histograms."),
        ]),
    ];

    public static IReadOnlyList<GatewayFlag> All { get; } = [.. Groups.SelectMany(group => group.Flags)];
}
