using static OrleansPd.Server.Settings.FlagKind;

namespace OrleansPd.Server.Settings;

/// <summary>
/// The flags of the gateway in the order of its help. Names and meanings are those of the SGLang router, so that its users can
/// switch by changing the command; flags of ours are marked. Each stands for a setting that exists.
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
        ]),
        ("Choosing engines",
        [
            new("policy", Policy, "NAME",
                "How engines are chosen: random, round_robin, power_of_two, least_load, cache_aware, consistent_hashing, "
                + "session. Default cache_aware.", Plane),
            new("prefill-policy", Policy, "NAME", "The same for prefill engines only. Default --policy.", Plane),
            new("decode-policy", Policy, "NAME",
                "The same for decode engines only. Default --policy, but least_load in place of cache_aware.", Plane),
            new("dp-ranks", Ranks, "WHO",
                "[ours] Who chooses data-parallel ranks: explicit (the gateway, and it tells both engines), modulo (the gateway, "
                + "by the room number) or engine. Default explicit.", Plane),
            new("prefix-index-blocks", Whole, "BLOCKS",
                "[ours] cache_aware: prompt blocks remembered per role, 24 bytes each. Default 1048576.", Plane),
            new("pd-min-uncached-tokens", Whole, "TOKENS",
                "[ours] Shorter prompts go to engines that do both, where there are some. Default 0: off.", Plane),
            new("pd-fallback", Switch, "", "[ours] Let engines that do both serve what no pair can be used for.", Plane),
        ]),
        ("Requests",
        [
            new("request-timeout-secs", Whole, "SECONDS",
                "Whole life of a request, queueing and retries included. Default 1800."),
            new("first-output-timeout-secs", Whole, "SECONDS", "[ours] Longest wait for the first output. Default 280."),
            new("strict-model", Switch, "", "[ours] Refuse models that are not served, even where only one is."),
        ]),
        ("Admission",
        [
            new("max-concurrent-requests", Whole, "REQUESTS", "Most requests in work at once; -1 = no limit. Default -1.", Plane),
            new("queue-size", Whole, "REQUESTS", "Most requests that wait for capacity; 0 = none. Default 100.", Plane),
            new("queue-timeout-secs", Whole, "SECONDS", "Longest wait for capacity. Default 60.", Plane),
            new("rate-limit-tokens-per-second", Whole, "RATE",
                "Requests admitted per second, on average; 0 = no limit. Default 0.", Plane),
            new("max-running-per-decode-rank", Whole, "REQUESTS",
                "[ours] Most requests on one decode rank. Default what the engine tells, times --decode-slot-factor.", Plane),
            new("decode-slot-factor", Number, "FACTOR", "[ours] Share of a decode rank's request slots to use. Default 1.",
                Plane),
            new("max-prefill-tokens-per-rank", Whole, "TOKENS",
                "[ours] Prompt tokens that may wait or run on one prefill rank. Default 1048576.", Plane),
            new("max-prefill-requests-per-rank", Whole, "REQUESTS",
                "[ours] Requests that may wait or run on one prefill rank. Default twice the engine's running limit.", Plane),
        ]),
        ("Health of engines",
        [
            new("cb-failure-threshold", Whole, "FAILURES", "Failures in a row that take an engine out. Default 10.", Plane),
            new("cb-success-threshold", Whole, "SUCCESSES", "Good trials in a row that bring it back. Default 3.", Plane),
            new("cb-timeout-duration-secs", Whole, "SECONDS", "Time until it is tried again. Default 5.", Plane),
            new("cb-window-duration-secs", Whole, "SECONDS", "Time over which the rate of failures is taken. Default 120.",
                Plane),
            new("cb-failure-rate", Number, "SHARE", "[ours] Share of failures in it that takes an engine out. Default 0.5.",
                Plane),
            new("cb-min-requests", Whole, "REQUESTS", "[ours] Requests below which there is no rate. Default 20.", Plane),
            new("cb-trial-lease-secs", Whole, "SECONDS",
                "[ours] Time after which a trial without outcome is repeated. Default 30.", Plane),
            new("health-check-interval-secs", Whole, "SECONDS",
                "Time between generating checks of an engine; 0 = none. Default 30.", Plane, "HealthIntervalSecs"),
            new("health-check-timeout-secs", Whole, "SECONDS",
                "Time for one such check, 20 or more: engines themselves wait that long. Default 25.", Plane,
                "HealthTimeoutSecs"),
            new("disable-health-check", Switch, "", "No generating checks; cheap ones go on.", Plane, "HealthIntervalSecs")
            {
                Means = "0",
            },
            new("liveness-interval-secs", Whole, "SECONDS", "[ours] Time between cheap checks of an engine. Default 2.", Plane),
            new("liveness-timeout-secs", Whole, "SECONDS", "[ours] Time for one cheap check. Default 5.", Plane),
            new("ready-timeout-secs", Whole, "SECONDS",
                "[ours] Time for the first generation through a pair: kernels are compiled in it. Default 120.", Plane),
            new("prefill-restart-hold-secs", Whole, "SECONDS",
                "[ours] Time for which a restarted prefill engine is held back. Default 15.", Plane),
            new("stall-suspect-secs", Whole, "SECONDS",
                "[ours] Time without progress after which an engine is avoided. Default 30.", Plane),
            new("stall-broken-secs", Whole, "SECONDS", "[ours] The same, after which it is taken out. Default 120.", Plane),
            new("room-ttl-secs", Whole, "SECONDS", "[ours] Time for which a registered room is kept unused. Default 120.", Plane),
        ]),
        ("Logs",
        [
            new("admin-api-key", Text, "KEY",
                "[ours] Key asked of management calls (/workers, /flush_cache). Default none: they are open."),
            new("log-level", LogLevel, "LEVEL", "debug, info, warn or error. Default info.", "Logging", "LogLevel:Default"),
        ]),
    ];

    public static IReadOnlyList<GatewayFlag> All { get; } = [.. Groups.SelectMany(group => group.Flags)];
}
