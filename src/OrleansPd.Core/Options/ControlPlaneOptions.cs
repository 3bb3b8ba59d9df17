using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Core.Options;

// Over 300 lines because it is one table: every option of the control plane with its flag, limits and reason.

/// <summary>Settings of the control plane. Configuration section <c>ControlPlane</c>.</summary>
public sealed class ControlPlaneOptions
{
    /// <summary>Workers known from the start. Workers can be added and removed at run time.</summary>
    public List<WorkerSpec> Workers { get; init; } = [];

    /// <summary>
    /// Policy of each role without a separate one; the names are in PolicyTable. Default <c>cache_aware</c>, as in the SGLang
    /// router.
    /// </summary>
    [Required]
    [Flag(FlagGroup.ChoosingEngines, "POLICY", "Policy that chooses engines: {policies}.")]
    public string Policy { get; set; } = "cache_aware";

    /// <summary>Policy for prefill workers; null = <see cref="Policy"/>.</summary>
    [Flag(FlagGroup.ChoosingEngines, "POLICY", "Policy for prefill engines.", Default = "--policy")]
    public string? PrefillPolicy { get; set; }

    /// <summary>
    /// Policy for decode workers; null = <see cref="Policy"/>, except that <c>cache_aware</c> becomes <c>least_load</c>: decode
    /// engines keep no prefix cache unless they are started with <c>--disaggregation-decode-enable-radix-cache</c>.
    /// </summary>
    [Flag(FlagGroup.ChoosingEngines, "POLICY",
        "Policy for decode engines.", Default = "--policy, but least_load instead of cache_aware")]
    public string? DecodePolicy { get; set; }

    /// <summary>
    /// Policies of single models, each as <c>MODEL=PREFILL[,DECODE]</c> with the model's name, not an alias; one policy is used
    /// for both roles, as <see cref="Policy"/> is. Default none: all models use the policies above. Each entry with
    /// <c>cache_aware</c> has a separate prefix index.
    /// </summary>
    [Flag(FlagGroup.ChoosingEngines, "MODEL=PREFILL[,DECODE]",
        "Policies of one model; a single policy applies to both roles. Repeatable.", Ours = true)]
    public List<string> ModelPolicy { get; init; } = [];

    /// <summary>
    /// Which side chooses data-parallel ranks. Default <see cref="DpRankMode.Explicit"/>, the only mode that works with every
    /// load-balance method.
    /// </summary>
    [Flag(FlagGroup.ChoosingEngines, "MODE",
        "Data-parallel ranks: explicit (the gateway chooses and names the rank to both engines), modulo (the gateway "
        + "chooses by the room number) or engine (the engines choose).", Ours = true)]
    public DpRankMode DpRanks { get; set; } = DpRankMode.Explicit;

    /// <summary>
    /// Blocks of prompts that <c>cache_aware</c> remembers per role, 1024 to 2^26, rounded up to a power of two; 24 bytes each.
    /// Default 2^20.
    /// </summary>
    [Range(1024, 1 << 26)]
    [Flag(FlagGroup.ChoosingEngines, "BLOCKS", "Prompt blocks that cache_aware remembers per role, 24 bytes each.", Ours = true)]
    public int PrefixIndexBlocks { get; set; } = 1 << 20;

    // ---- pairs or regular workers, where a model has both ----

    /// <summary>
    /// Prompts with fewer tokens to compute than this go to a regular worker while one has room, 0 to 2^31-1. Default 0: off,
    /// pairs serve all, and regular workers only models that have no prefill or decode workers.
    /// </summary>
    [Range(0, int.MaxValue)]
    [Flag(FlagGroup.ChoosingEngines, "TOKENS",
        "Send prompts with fewer uncached tokens to regular engines, if the model has any; 0 = off.", Ours = true)]
    public int PdMinUncachedTokens { get; set; }

    /// <summary>
    /// Fall back to regular workers when no pair is available. Default false: refuse with the reason, so that regular workers get
    /// no unexpected load.
    /// </summary>
    [Flag(FlagGroup.ChoosingEngines, "", "Fall back to regular engines when no pair is available.", Ours = true)]
    public bool PdFallback { get; set; }

    // ---- admission ----

    /// <summary>
    /// Maximum number of requests in flight, -1 = no limit. Default -1, as the SGLang router's --max-concurrent-requests.
    /// </summary>
    [Range(-1, int.MaxValue)]
    [Flag(FlagGroup.Admission, "REQUESTS", "Maximum requests in flight; -1 = no limit.")]
    public int MaxConcurrentRequests { get; set; } = -1;

    /// <summary>
    /// Maximum number of requests that wait for capacity, 0 = no request waits. Default 4096, where the SGLang router has 100:
    /// the router forwards all requests and the engines queue them without a limit, so its users expect that 256 requests at once
    /// are served.
    /// </summary>
    [Range(0, 1_000_000)]
    [Flag(FlagGroup.Admission, "REQUESTS", "Maximum requests that wait for capacity; 0 = no queue.")]
    public int QueueSize { get; set; } = 4096;

    /// <summary>
    /// Maximum wait for capacity in seconds; the request's own deadline may end it earlier. Default 600, where the SGLang router
    /// has 60, for the same reason as <see cref="QueueSize"/>.
    /// </summary>
    [Range(0, 86400)]
    [Flag(FlagGroup.Admission, "SECONDS", "Maximum time a request waits for capacity.")]
    public int QueueTimeoutSecs { get; set; } = 600;

    /// <summary>
    /// Seconds for which requests wait for workers that have become unusable, counted from when they were last usable, 0-3600;
    /// the limits of the queue apply too. After that, and for workers that have never served, requests are refused at once. 0 =
    /// always refused at once. Default 10: twice <see cref="CbTimeoutDurationSecs"/>, so that an open breaker or a short network
    /// fault costs no request, while clients of an engine that is down for longer are refused soon and can go elsewhere.
    /// </summary>
    [Range(0, 3600)]
    [Flag(FlagGroup.Admission, "SECONDS",
        "Maximum time to wait for engines that just became unusable, counted from when they were last usable; 0 = refuse "
        + "at once.", Ours = true)]
    public int ReturnWaitSecs { get; set; } = 10;

    /// <summary>
    /// New requests a second, bursts of one second's worth; 0 = no limit. Default 0. SGLang router:
    /// --rate-limit-tokens-per-second.
    /// </summary>
    [Range(0, int.MaxValue)]
    [Flag(FlagGroup.Admission, "RATE", "Maximum requests admitted per second, on average; 0 = no limit.")]
    public int RateLimitTokensPerSecond { get; set; }

    /// <summary>
    /// Maximum number of requests on one decode rank, whatever the engine reports; null = its reported slots times
    /// <see cref="DecodeSlotFactor"/>.
    /// </summary>
    [Range(1, int.MaxValue)]
    [Flag(FlagGroup.Admission, "REQUESTS",
        "Maximum requests per decode rank.", Default = "the slots the engine reports x --decode-slot-factor", Ours = true)]
    public int? MaxRunningPerDecodeRank { get; set; }

    /// <summary>
    /// Share of a decode rank's request slots that is used, 0.01-100. Default 1: further requests would wait inside the engine,
    /// where they have no time limit.
    /// </summary>
    [Range(0.01, 100)]
    [Flag(FlagGroup.Admission, "FACTOR", "Share of a decode rank's request slots to use.", Ours = true)]
    public double DecodeSlotFactor { get; set; } = 1;

    /// <summary>
    /// Slots of a decode rank whose engine does not report them. Default 256, an eighth of the least that SGLang chooses.
    /// </summary>
    [Range(1, int.MaxValue)]
    [Flag(FlagGroup.Admission, "REQUESTS", "Request slots of a decode rank whose engine does not report them.", Ours = true)]
    public int UnknownDecodeSlots { get; set; } = 256;

    /// <summary>
    /// Prompt tokens that may wait or run on one prefill rank; a larger prompt goes to an idle rank. Default 1,048,576: at
    /// 10,000 tokens a second 105 s, well below the 300 s after which a decode engine gives up.
    /// </summary>
    [Range(1, int.MaxValue)]
    [Flag(FlagGroup.Admission, "TOKENS", "Maximum prompt tokens that wait or run on one prefill rank.", Ours = true)]
    public int MaxPrefillTokensPerRank { get; set; } = 1 << 20;

    /// <summary>
    /// Requests that may wait or run on one prefill rank; null = twice the engine's running limit (it has that many transfer
    /// buffers), or 1024.
    /// </summary>
    [Range(1, int.MaxValue)]
    [Flag(FlagGroup.Admission, "REQUESTS",
        "Maximum requests that wait or run on one prefill rank.",
        Default = "twice the running limit the engine reports", Ours = true)]
    public int? MaxPrefillRequestsPerRank { get; set; }

    // ---- breaker; names as the SGLang router's flags ----

    /// <summary>Failures in a row that open a worker's breaker. Default 10.</summary>
    [Range(1, 1_000_000)]
    [Flag(FlagGroup.HealthOfEngines, "FAILURES", "Consecutive failures that open an engine's circuit breaker.")]
    public int CbFailureThreshold { get; set; } = 10;

    /// <summary>Readiness checks or half-open requests in a row that must succeed to close it. Default 3.</summary>
    [Range(1, 1000)]
    [Flag(FlagGroup.HealthOfEngines, "SUCCESSES", "Consecutive successful checks that close the breaker.")]
    public int CbSuccessThreshold { get; set; } = 3;

    /// <summary>
    /// Seconds from the opening of a breaker to the first readiness check. Default 5, where the SGLang router has 60: the checks
    /// are generations of our own, one at a time, and cost no client a request, so an engine that works again need not wait a
    /// minute.
    /// </summary>
    [Range(0, 86400)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time until an open breaker admits a half-open request or a readiness check.")]
    public int CbTimeoutDurationSecs { get; set; } = 5;

    /// <summary>Length in seconds of the window over which the failure rate is computed. Default 120.</summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time window of the failure rate.")]
    public int CbWindowDurationSecs { get; set; } = 120;

    /// <summary>
    /// Share of failures in the window that opens the breaker, 0.01-1. Default 0.5: an engine that fails every other request is
    /// worse than none.
    /// </summary>
    [Range(0.01, 1)]
    [Flag(FlagGroup.HealthOfEngines, "SHARE", "Failure rate in the window that opens the breaker.", Ours = true)]
    public double CbFailureRate { get; set; } = 0.5;

    /// <summary>Minimum number of outcomes in the window for a failure rate. Default 20.</summary>
    [Range(1, 1_000_000)]
    [Flag(FlagGroup.HealthOfEngines, "REQUESTS", "Minimum requests in the window for a failure rate.", Ours = true)]
    public int CbMinRequests { get; set; } = 20;

    /// <summary>Seconds after which a half-open request without an outcome no longer blocks the next one. Default 30.</summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS",
        "Time after which a half-open request without an outcome no longer blocks the next one.", Ours = true)]
    public int CbHalfOpenTimeoutSecs { get; set; } = 30;

    // ---- probes ----

    /// <summary>
    /// Seconds between cheap probes of a worker, longer where one process monitors more than 400 (5 for 1,000). Default 2: a dead
    /// engine is detected in time even when it gets no requests.
    /// </summary>
    [Range(1, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time between liveness probes of an engine.", Ours = true)]
    public int LivenessIntervalSecs { get; set; } = 2;

    /// <summary>Seconds a cheap probe may take. Default 5.</summary>
    [Range(1, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time limit of a liveness probe.", Ours = true)]
    public int LivenessTimeoutSecs { get; set; } = 5;

    /// <summary>
    /// Seconds between two queries of a worker's facts (slow on a loaded engine), longer where one process monitors more than 200
    /// (50 for 1,000). Default 10.
    /// </summary>
    [Range(1, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time between reads of what an engine reports about itself.", Ours = true)]
    public int DescribeIntervalSecs { get; set; } = 10;

    /// <summary>
    /// Seconds between the engine's own generating health checks, 0 = never. Default 30; below 5 they accumulate inside the
    /// engine.
    /// </summary>
    [Range(0, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS",
        "Time between health checks of an engine that generate a token; 0 = none.", Name = "health-check-interval-secs")]
    [SwitchFlag("disable-health-check", "0", "Run no health checks that generate, only liveness probes.")]
    public int HealthIntervalSecs { get; set; } = 30;

    /// <summary>Seconds a generating health check may take. Default 25: the engine itself waits for 20.</summary>
    [Range(1, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS",
        "Time limit of such a health check, 20 or more: a busy engine takes up to 20 s to answer.",
        Name = "health-check-timeout-secs")]
    public int HealthTimeoutSecs { get; set; } = 25;

    /// <summary>Seconds the first generation through a pair may take. Default 120: the engine compiles kernels in it.</summary>
    [Range(1, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS",
        "Time limit of the first generation through a pair; engines compile kernels during it.", Ours = true)]
    public int ReadyTimeoutSecs { get; set; } = 120;

    /// <summary>
    /// Seconds a restarted prefill is held back. Default 15: three rounds of a decode engine's heartbeat (5 s, two misses).
    /// </summary>
    [Range(0, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS",
        "Time before a restarted prefill engine is used again, because decode engines cache its old ports that long. Not used "
        + "with --bootstrap-facade.", Ours = true)]
    public int PrefillRestartHoldSecs { get; set; } = 15;

    /// <summary>Seconds without progress of any request in flight on a worker after which it is suspect. Default 30.</summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time without progress after which an engine is avoided.", Ours = true)]
    public int StallSuspectSecs { get; set; } = 30;

    /// <summary>The same, after which its breaker opens. Default 120: below the 300 s of the engines' own time limits.</summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time without progress after which an engine's breaker opens.", Ours = true)]
    public int StallBrokenSecs { get; set; } = 120;

    /// <summary>
    /// Seconds between two queries of an engine's load, 0-3600, 0 = never. Default 2. The load contains requests of other clients
    /// and the capacity of the engine. A draining worker is queried more often; where one process monitors more than 400 workers,
    /// each is queried less often (every 5 s of 1,000).
    /// </summary>
    [Range(0, 3600)]
    [Flag(FlagGroup.HealthOfEngines, "SECONDS", "Time between reads of an engine's load; 0 = never.", Ours = true)]
    public int LoadIntervalSecs { get; set; } = 2;

    // ---- changes of workers ----

    /// <summary>
    /// Seconds a role switch may take, waiting for requests in flight included, 1-86400. Default 330: above the 300 s after which
    /// engines give up a transfer.
    /// </summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.Management, "SECONDS",
        "Time limit of a role switch, including the wait for requests in flight.", Ours = true)]
    public int RoleSwitchTimeoutSecs { get; set; } = 330;

    /// <summary>Seconds a removed worker stays listed, 0-86400. Default 3600; never more than 64 of them.</summary>
    [Range(0, 86400)]
    [Flag(FlagGroup.Management, "SECONDS", "Time for which a removed engine stays listed.", Ours = true)]
    public int GoneWorkerSecs { get; set; } = 3600;

    // ---- rooms ----

    /// <summary>
    /// Seconds a room is kept after its last registration; the room of a request in flight is kept until that ends. Default 120,
    /// as SGLang's bootstrap server.
    /// </summary>
    [Range(1, 86400)]
    [Flag(FlagGroup.RoomsAndBootstrapFacade, "SECONDS", "Time for which an unused registered room is kept.", Ours = true)]
    public int RoomTtlSecs { get; set; } = 120;

    /// <summary>
    /// Maximum number of rooms in the table, about 80 bytes each; beyond, registrations are refused. Default 1,000,000.
    /// </summary>
    [Range(1, 100_000_000)]
    [Flag(FlagGroup.RoomsAndBootstrapFacade, "ROOMS", "Maximum rooms in the table, 80 bytes each.", Ours = true)]
    public int MaxRooms { get; set; } = 1_000_000;

    // ---- bootstrap facade ----

    /// <summary>
    /// Serve the bootstrap server of each prefill at an address of ours, a new one for each epoch, and send it in decode legs. A
    /// restarted prefill then serves at once (no <see cref="PrefillRestartHoldSecs"/>), and decode engines detect a dead one.
    /// Default false: decode engines must be able to reach these ports.
    /// </summary>
    [Flag(FlagGroup.RoomsAndBootstrapFacade, "",
        "Proxy the bootstrap servers of prefill engines, on a new port for each run, so that a restarted engine is usable "
        + "immediately.",
        Ours = true)]
    public bool BootstrapFacade { get; set; }

    /// <summary>
    /// Address or name under which decode engines reach this gateway; required with <see cref="BootstrapFacade"/>.
    /// </summary>
    [Flag(FlagGroup.RoomsAndBootstrapFacade, "ADDRESS", "Address under which decode engines reach this host.", Ours = true)]
    public string? FacadeHost { get; set; }

    /// <summary>
    /// Ports of the facade as <c>first-last</c>, both with the same number of digits (a decode engine that drops <c>:6000</c>
    /// drops
    /// <c>:60001</c> too); null = any free ports. Give several times as many as there are prefills: a port stays in use for a
    /// minute after a restart, and should not be reused for another prefill soon. Default null.
    /// </summary>
    [CustomValidation(typeof(PortRange), nameof(PortRange.Check))]
    [Flag(FlagGroup.RoomsAndBootstrapFacade, "FIRST-LAST",
        "Ports of the facade; both must have the same number of digits.", Default = "any free ports", Ours = true)]
    public string? FacadePortRange { get; set; }

    internal BreakerLimits BreakerLimits => new(
        CbFailureThreshold,
        CbSuccessThreshold,
        TimeSpan.FromSeconds(CbTimeoutDurationSecs),
        TimeSpan.FromSeconds(CbWindowDurationSecs),
        CbFailureRate,
        CbMinRequests,
        TimeSpan.FromSeconds(CbHalfOpenTimeoutSecs));

    // Behind a facade a restarted prefill has a new address: decode engines have nothing to forget.
    internal ProbeLimits ProbeLimits =>
        new(RefusedToLeave: 2, MissesToLeave: 3, BootstrapFacade ? TimeSpan.Zero : TimeSpan.FromSeconds(PrefillRestartHoldSecs));
}
