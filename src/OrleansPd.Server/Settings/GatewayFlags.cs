using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
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
        ("Security",
        [
            new("client-keys", List, "SPEC",
                "[ours] Named clients' keys: name=N,key=K (or sha256=HEX), and any of rpm=, tpm=, concurrency=, priority=."),
            new("worker-url-allow", List, "ADDRESS",
                "[ours] Networks and hosts where engines may be that are added while running. Default all but link-local."),
            new("tls-cert-path", Text, "FILE", "Certificate of the listener, PEM. Default none: plain HTTP."),
            new("tls-key-path", Text, "FILE", "Its key, PEM."),
            new("ca-cert-paths", List, "FILE", "Authorities of engines on https, PEM. Default the system's."),
            new("client-cert-path", Text, "FILE", "Certificate shown to engines, PEM."),
            new("client-key-path", Text, "FILE", "Its key, PEM."),
        ]),
        ("Choosing engines",
        [
            new("policy", Policy, "NAME",
                $"How engines are chosen: {PolicyTable.NameList}. Default {new ControlPlaneOptions().Policy}.", Plane),
            new("prefill-policy", Policy, "NAME", "The same for prefill engines only. Default --policy.", Plane),
            new("decode-policy", Policy, "NAME",
                "The same for decode engines only. Default --policy, but least_load in place of cache_aware.", Plane),
            new("model-policy", List, "MODEL=PREFILL[,DECODE]",
                "[ours] Policies of single models; may be repeated. One policy is for both roles, as --policy is. Default none.",
                Plane),
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
            new("stream-idle-timeout-secs", Whole, "SECONDS",
                "[ours] Longest silence of a stream that has begun; 0 = no limit. Default 300."),
            new("retry-max-retries", Whole, "RETRIES",
                "Retries before the first byte, each at once and on another pair while there is one. Default 1."),
            new("disable-retries", Switch, "", "Never retry.", Setting: "RetryMaxRetries") { Means = "0" },
            new("resume-streams", Switch, "",
                "[ours] Go on with another pair when a decode engine fails in the middle of a stream."),
            new("decode-abort-delay-ms", Whole, "MILLISECONDS",
                "[ours] Time between closing a decode leg without output and aborting it by rid. Default 0."),
            new("model-alias", List, "ALIAS=MODEL", "[ours] Further names of models; may be repeated."),
            new("strict-model", Switch, "", "[ours] Refuse models that are not served, even where only one is."),
            new("max-batch", Whole, "PROMPTS", "[ours] Most prompts in one request. Default 1024."),
            new("max-samples", Whole, "SAMPLES", "[ours] Most samples (n) of one prompt. Default 128."),
            new("upstream", Upstream, "CLIENT",
                "[ours] Client that speaks to engines: direct (made for this job) or handler (the one of .NET). Default direct."),
            new("transport", Transport, "CARRIER",
                "[ours] What carries bytes: loop (made for this job, on Linux) or sockets (Kestrel's and .NET's own). Default loop."),
            new("max-json-depth", Whole, "LEVELS", "[ours] Deepest nesting of a request's JSON. Default 64."),
        ]),
        ("Admission",
        [
            new("max-concurrent-requests", Whole, "REQUESTS", "Most requests in work at once; -1 = no limit. Default -1.", Plane),
            new("queue-size", Whole, "REQUESTS", "Most requests that wait for capacity; 0 = none. Default 4096.", Plane),
            new("queue-timeout-secs", Whole, "SECONDS", "Longest wait for capacity. Default 600.", Plane),
            new("return-wait-secs", Whole, "SECONDS",
                "[ours] Longest wait for engines that have just gone away, from when they were last usable; 0 = refuse at once. "
                + "Default 10.", Plane),
            new("rate-limit-tokens-per-second", Whole, "RATE",
                "Requests admitted per second, on average; 0 = no limit. Default 0.", Plane),
            new("max-running-per-decode-rank", Whole, "REQUESTS",
                "[ours] Most requests on one decode rank. Default what the engine tells, times --decode-slot-factor.", Plane),
            new("decode-slot-factor", Number, "FACTOR", "[ours] Share of a decode rank's request slots to use. Default 1.",
                Plane),
            new("unknown-decode-slots", Whole, "REQUESTS",
                "[ours] Request slots of a decode rank whose engine does not tell. Default 256.", Plane),
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
            new("describe-interval-secs", Whole, "SECONDS", "[ours] Time between readings of an engine's facts. Default 10.",
                Plane),
            new("load-interval-secs", Whole, "SECONDS", "[ours] Time between readings of its load; 0 = never. Default 2.", Plane),
            new("ready-timeout-secs", Whole, "SECONDS",
                "[ours] Time for the first generation through a pair: kernels are compiled in it. Default 120.", Plane),
            new("prefill-restart-hold-secs", Whole, "SECONDS",
                "[ours] Time for which a restarted prefill engine is held back. Default 15.", Plane),
            new("stall-suspect-secs", Whole, "SECONDS",
                "[ours] Time without progress after which an engine is avoided. Default 30.", Plane),
            new("stall-broken-secs", Whole, "SECONDS", "[ours] The same, after which it is taken out. Default 120.", Plane),
        ]),
        ("Rooms and the bootstrap facade",
        [
            new("room-ttl-secs", Whole, "SECONDS", "[ours] Time for which a registered room is kept unused. Default 120.", Plane),
            new("max-rooms", Whole, "ROOMS", "[ours] Most rooms the table holds, 60 bytes each. Default 1000000.", Plane),
            new("rank-token", Text, "TOKEN",
                "[ours] Bearer token asked of /register_dp_rank and /query_dp_ranks. Default none: they are open."),
            new("bootstrap-facade", Switch, "",
                "[ours] Give each life of a prefill engine a bootstrap address on this host, so that it serves at once after a "
                + "restart.", Plane),
            new("facade-host", Text, "ADDRESS", "[ours] Address under which decode engines reach this host.", Plane),
            new("facade-port-range", Text, "FIRST-LAST",
                "[ours] Ports of the facade, both of as many digits. Default any free ones.", Plane),
        ]),
        ("Management",
        [
            new("admin-api-key", Text, "KEY",
                "[ours] Key asked of calls that change engines or fleet (/workers, /flush_cache, ...). Default none: open."),
            new("role-switch-timeout-secs", Whole, "SECONDS",
                "[ours] Time for a change of role, waiting for requests in flight included. Default 330.", Plane),
            new("gone-worker-secs", Whole, "SECONDS", "[ours] Time for which a removed worker stays listed. Default 3600.",
                Plane),
        ]),
        ("Stopping",
        [
            new("shutdown-delay-secs", Whole, "SECONDS",
                "[ours] Time in which a stopping gateway still takes requests while /readiness says 503. Default 0."),
            new("shutdown-grace-period-secs", Whole, "SECONDS",
                "Time for requests in flight to end before they are aborted. Default 180."),
        ]),
        ("Traces",
        [
            new("enable-trace", Switch, "", "Export spans by OTLP: one a request, one a leg."),
            new("otlp-traces-endpoint", Text, "ENDPOINT",
                "Collector, host:port (gRPC) or URL (HTTP where it has a path or port 4318). Default localhost:4317."),
            new("trace-sample-ratio", Number, "SHARE",
                "[ours] Share of requests traced where the client has not decided. Default 0.1."),
        ]),
        ("Logs",
        [
            new("request-id-headers", List, "HEADER",
                "Headers in which a request's id is looked for. Default x-request-id x-correlation-id x-trace-id request-id."),
            new("log-format", LogFormat, "FORMAT", "[ours] text, or json: an object a line. Default text.", "Logging", "Format"),
            new("log-level", LogLevel, "LEVEL", "debug, info, warn or error. Default info.", "Logging", "LogLevel:Default"),
        ]),
    ];

    public static IReadOnlyList<GatewayFlag> All { get; } = [.. Groups.SelectMany(group => group.Flags)];
}
