using System.ComponentModel.DataAnnotations;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Options;

/// <summary>Options of the HTTP side of the gateway. Configuration section <c>Gateway</c>.</summary>
public sealed class GatewayOptions
{
    /// <summary>Address to listen on. Default 0.0.0.0, as the SGLang router.</summary>
    [Required]
    [Flag(FlagGroup.Listening, "ADDRESS", "Address to listen on.")]
    public string Host { get; set; } = "0.0.0.0";

    /// <summary>Port to listen on, 0-65535; 0 = any free one. Default 30000, as the SGLang router.</summary>
    [Range(0, 65535)]
    [Flag(FlagGroup.Listening, "PORT", "Port to listen on; 0 = any free port.")]
    public int Port { get; set; } = 30000;

    /// <summary>
    /// Maximum request body in bytes, 1 KiB to 2 GiB - 64 KiB. Default 512 MiB, as the SGLang router's --max-payload-size.
    /// </summary>
    [Range(1024, 2147418112)]
    [Flag(FlagGroup.Listening, "BYTES", "Maximum size of a request body.")]
    public long MaxPayloadSize { get; set; } = 512L * 1024 * 1024;

    /// <summary>
    /// Maximum time of a request in seconds, including retries and queueing, 1-86400. Default 1800, as the SGLang router's
    /// --request-timeout-secs.
    /// </summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.Requests, "SECONDS", "Maximum time of a request, including queueing and retries.")]
    public int RequestTimeoutSecs { get; set; } = 1800;

    /// <summary>
    /// Maximum time in seconds until decode's first output, 1-86400. Default 280: less than the 300 s after which engines abandon
    /// a transfer, so that the gateway aborts both legs first and knows the reason.
    /// </summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.Requests, "SECONDS", "Maximum time until the first output.", Ours = true)]
    public int FirstOutputTimeoutSecs { get; set; } = 280;

    /// <summary>
    /// Maximum time in seconds between two outputs of a stream, 0-86400; 0 = no limit. Default 300: an engine that is paused, or
    /// that retracts its requests for a weight update, sends nothing for up to about 180 s and then continues.
    /// </summary>
    [Range(0, 86400)]
    [Flag(FlagGroup.Requests, "SECONDS", "Maximum time between two outputs of a stream; 0 = no limit.", Ours = true)]
    public int StreamIdleTimeoutSecs { get; set; } = 300;

    /// <summary>Retries of one request before its first byte, 0-10. Default 1; 0 = never.</summary>
    [Range(0, 10)]
    [Flag(FlagGroup.Requests, "RETRIES",
        "Maximum retries of a request before its first byte; a retry starts at once, on another pair if there is one.")]
    [SwitchFlag("disable-retries", "0", "Never retry.")]
    public int RetryMaxRetries { get; set; } = 1;

    /// <summary>
    /// Continue a stream on another pair when its decode engine fails; the client sees one uninterrupted stream. Default false.
    /// Streams that cannot be continued (n > 1, log probabilities, grammars, tools, reasoning) end with an error event.
    /// </summary>
    [Flag(FlagGroup.Requests, "", "Continue a stream on another pair when its decode engine fails.", Ours = true)]
    public bool ResumeStreams { get; set; }

    /// <summary>
    /// Seconds during which a stopping gateway accepts requests while <c>/readiness</c> answers 503, 0-600. Default 0; set it to
    /// the time that the load balancer needs to notice.
    /// </summary>
    [Range(0, 600)]
    [Flag(FlagGroup.Stopping, "SECONDS",
        "Time during which a stopping gateway still accepts requests while /readiness answers 503.", Ours = true)]
    public int ShutdownDelaySecs { get; set; }

    /// <summary>
    /// Seconds for requests in flight to finish before they are aborted, 0-86400. Default 180, as the SGLang router.
    /// </summary>
    [Range(0, 86400)]
    [Flag(FlagGroup.Stopping, "SECONDS", "Time for requests in flight to finish before they are aborted.")]
    public int ShutdownGracePeriodSecs { get; set; } = 180;

    /// <summary>
    /// Milliseconds between closing the connection to a decode engine and its abort call, for a request without output, 0-60000.
    /// Default 0: at once. For engine builds that fail if a request is aborted during its KV transfer.
    /// </summary>
    [Range(0, 60000)]
    [Flag(FlagGroup.Requests, "MILLISECONDS",
        "Delay before a decode engine that has sent no output gets its abort call; set it if aborts during a KV transfer harm "
        + "your engines.", Ours = true)]
    public int DecodeAbortDelayMs { get; set; }

    /// <summary>
    /// Refuse a request whose model is not served, even where one model is served. Default false: SGLang's tools send
    /// <c>default</c>.
    /// </summary>
    [Flag(FlagGroup.Requests, "", "Refuse models that are not served, even if only one model is served.", Ours = true)]
    public bool StrictModel { get; set; }

    /// <summary>
    /// Additional names of models, each as <c>alias=model</c>. Default none. Aliases are looked up first, so an alias with the
    /// name of a served model hides that model.
    /// </summary>
    [Flag(FlagGroup.Requests, "ALIAS=MODEL", "Additional name of a model; repeatable.", Ours = true)]
    public List<string> ModelAlias { get; init; } = [];

    /// <summary>Maximum nesting depth of a request's JSON, 8-512. Default 64.</summary>
    [Range(8, 512)]
    [Flag(FlagGroup.Requests, "LEVELS", "Maximum nesting depth of a request's JSON.", Ours = true)]
    public int MaxJsonDepth { get; set; } = 64;

    /// <summary>Maximum prompts in one batch request, 1-65536. Default 1024.</summary>
    [Range(1, 65536)]
    [Flag(FlagGroup.Requests, "PROMPTS", "Maximum prompts in one request.", Ours = true)]
    public int MaxBatch { get; set; } = 1024;

    /// <summary>Maximum samples (<c>n</c>) of one prompt, 1-1024. Default 128.</summary>
    [Range(1, 1024)]
    [Flag(FlagGroup.Requests, "SAMPLES", "Maximum samples (n) per prompt.", Ours = true)]
    public int MaxSamples { get; set; } = 128;

    /// <summary>
    /// Bearer token required on <c>/register_dp_rank</c> and <c>/query_dp_ranks</c>; null = not required. Default null: no
    /// released engine sends one.
    /// </summary>
    [Flag(FlagGroup.RoomsAndBootstrapFacade, "TOKEN",
        "Bearer token required on /register_dp_rank and /query_dp_ranks.", Default = "none: no token required", Ours = true)]
    public string? RankToken { get; set; }

    /// <summary>
    /// Key required as <c>Authorization: Bearer</c> on calls that change the fleet or its engines (<c>/workers</c>,
    /// <c>/flush_cache</c>, <c>/pause_generation</c>, <c>/update_weights_*</c>, <c>/route_pd</c>, ...); null or empty = not
    /// required. Default null: any client that reaches the port can change the fleet, so set a key or restrict access to the
    /// port.
    /// </summary>
    [Flag(FlagGroup.Management, "KEY",
        "Key required on calls that change engines or the fleet (/workers, /flush_cache, ...).",
        Default = "none: no key required", Ours = true)]
    public string? AdminApiKey { get; set; }

    /// <summary>
    /// Key required as <c>Authorization: Bearer</c> on all routes except health and metrics; null or empty = not required.
    /// Default null. Kept as a hash.
    /// </summary>
    public string? ApiKey { get; set; }

    /// <summary>
    /// Keys and limits of named clients, each as <c>name=N,key=K</c> or <c>name=N,sha256=HEX</c> and any of <c>rpm=</c> (requests
    /// per minute), <c>tpm=</c> (tokens per minute), <c>concurrency=</c>, <c>priority=</c> (-100 to 100, higher is served first).
    /// Default none.
    /// </summary>
    [Flag(FlagGroup.Security, "SPEC",
        "Key of a named client: name=N,key=K (or sha256=HEX), optionally with rpm=, tpm=, concurrency=, priority=; "
        + "repeatable.", Ours = true)]
    public List<string> ClientKeys { get; init; } = [];

    /// <summary>
    /// Addresses allowed for workers that are added at run time: networks (10.0.0.0/8), host names or *.domain, optionally with
    /// :port. Default none: all but link-local addresses, where clouds serve credentials.
    /// </summary>
    [Flag(FlagGroup.Security, "ADDRESS",
        "Networks and hosts whose engines may be added at run time.", Default = "all but link-local addresses", Ours = true)]
    public List<string> WorkerUrlAllow { get; init; } = [];

    /// <summary>
    /// PEM file of the listener's certificate and its chain; null = plain HTTP. Default null. Needs <see cref="TlsKeyPath"/>.
    /// </summary>
    [Flag(FlagGroup.Security, "FILE", "PEM certificate of the listener.", Default = "none: plain HTTP")]
    public string? TlsCertPath { get; set; }

    /// <summary>PEM file of its key. Default null.</summary>
    [Flag(FlagGroup.Security, "FILE", "PEM key of that certificate.")]
    public string? TlsKeyPath { get; set; }

    /// <summary>
    /// PEM files of the authorities that sign engines' certificates; they replace those of the system. Default none.
    /// </summary>
    [Flag(FlagGroup.Security, "FILE",
        "PEM certificates of the authorities that sign the certificates of https engines.", Default = "those of the system")]
    public List<string> CaCertPaths { get; init; } = [];

    /// <summary>
    /// PEM file of the certificate presented to engines; null = none. Default null. Needs <see cref="ClientKeyPath"/>.
    /// </summary>
    [Flag(FlagGroup.Security, "FILE", "PEM certificate presented to engines.")]
    public string? ClientCertPath { get; set; }

    /// <summary>PEM file of its key. Default null.</summary>
    [Flag(FlagGroup.Security, "FILE", "PEM key of that certificate.")]
    public string? ClientKeyPath { get; set; }

    /// <summary>Export spans by OTLP. Default false; W3C context is passed to the engines either way.</summary>
    [Flag(FlagGroup.Traces, "", "Export spans over OTLP: one per request and one per leg.")]
    public bool EnableTrace { get; set; }

    /// <summary>
    /// Collector of spans: <c>host:port</c> or a URL. Port 4318 and URLs with a path use HTTP, others gRPC.
    /// Default localhost:4317, as the SGLang router.
    /// </summary>
    [Required]
    [Flag(FlagGroup.Traces, "ENDPOINT", "Collector: host:port (gRPC), or a URL (HTTP if it has a path or port 4318).")]
    public string OtlpTracesEndpoint { get; set; } = "localhost:4317";

    /// <summary>
    /// Share of requests to trace if the client has not decided, 0-1. Default 0.1. A client's decision is kept.
    /// </summary>
    [Range(0, 1)]
    [Flag(FlagGroup.Traces, "SHARE", "Share of requests to trace if the client has not decided.", Ours = true)]
    public double TraceSampleRatio { get; set; } = 0.1;

    /// <summary>
    /// Headers to read a client's request id from, in this order; the answer has it as <c>x-request-id</c>. Default if empty:
    /// x-request-id, x-correlation-id, x-trace-id, request-id, as the SGLang router.
    /// </summary>
    [Flag(FlagGroup.Logs, "HEADER",
        "Headers to read a request's id from, in this order.", Default = "x-request-id x-correlation-id x-trace-id request-id")]
    public List<string> RequestIdHeaders { get; init; } = [];

    /// <summary>
    /// HTTP client towards engines: <see cref="UpstreamKind.Direct"/>, the gateway's own, or <see cref="UpstreamKind.Handler"/>,
    /// the one of .NET, which needs more than twice the CPU time. Default Direct.
    /// </summary>
    [Flag(FlagGroup.Requests, "CLIENT",
        "HTTP client towards engines: direct (the gateway's own) or handler (the one of .NET).", Ours = true)]
    public UpstreamKind Upstream { get; set; } = UpstreamKind.Direct;

    /// <summary>
    /// Sockets: <see cref="TransportKind.Loop"/>, event loops of the gateway, or <see cref="TransportKind.Sockets"/>, those of
    /// Kestrel and .NET, which need more CPU time. Default Loop. Loop needs Linux on x86-64 or ARM64; elsewhere Sockets is used.
    /// </summary>
    [Flag(FlagGroup.Requests, "TRANSPORT",
        "Sockets: loop (event loops of the gateway, on Linux) or sockets (those of Kestrel and .NET).", Ours = true)]
    public TransportKind Transport { get; set; } = TransportKind.Loop;

    /// <summary>Options of the control plane.</summary>
    public ControlPlaneOptions ControlPlane { get; init; } = new();
}
