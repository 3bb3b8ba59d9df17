namespace OrleansPd.Simulator;

public enum EngineRole
{
    Prefill,
    Decode,
    Regular,
}

/// <summary>One simulated engine. Names and defaults follow SGLang's flags and variables where there is one.</summary>
public sealed record SimulatedEngineOptions
{
    public EngineRole Role { get; init; } = EngineRole.Regular;

    /// <summary>Address all listeners bind, and the one prefill ranks register. Default 127.0.0.1.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>API port; 0 = any free. Default 0. A restart keeps the port.</summary>
    public int Port { get; init; }

    /// <summary>
    /// Port of the KV bootstrap server; 0 = any free. On a decode: the port it assumes where a request names none, 0 = 8998.
    /// Default 0.
    /// </summary>
    public int BootstrapPort { get; init; }

    /// <summary>Data-parallel ranks, 1 or more. Default 1.</summary>
    public int DpSize { get; init; } = 1;

    /// <summary>
    /// Attention DP. False = plain data parallelism, where a prefill engine registers every room under rank 0 (a known defect of
    /// SGLang). Default true.
    /// </summary>
    public bool EnableDpAttention { get; init; } = true;

    /// <summary>
    /// <c>auto</c> (prefill: <c>follow_bootstrap_room</c>, else <c>round_robin</c>), one of these two, <c>total_requests</c> or
    /// <c>total_tokens</c>.
    /// </summary>
    public string LoadBalanceMethod { get; init; } = "auto";

    public string ModelPath { get; init; } = "sim/deepseek-v3";

    /// <summary>Name on the API; empty = <see cref="ModelPath"/>. Default <c>sim</c>.</summary>
    public string ServedModelName { get; init; } = "sim";

    /// <summary>The model embeds and does not generate. Regular engines only. Default false.</summary>
    public bool IsEmbedding { get; init; }

    /// <summary>SGLang release to simulate, 0.5.10 or later of the 0.5 line. Default 0.5.18.</summary>
    public string Version { get; init; } = "0.5.18";

    /// <summary>
    /// Simulate the Rust front end of 0.5.17 and later: few routes, no keys, the KV bootstrap server on the API port, bootstrap
    /// members on <c>/generate</c> only. Default false.
    /// </summary>
    public bool RustFrontEnd { get; init; }

    /// <summary>For what the engine draws at random, the ids of requests that bring none. Default 0.</summary>
    public long Seed { get; init; }

    /// <summary>Tokens of a KV page. Default 64.</summary>
    public int PageSize { get; init; } = 64;

    public string KvCacheDtype { get; init; } = "auto";

    /// <summary>
    /// <c>mooncake</c> (default), <c>nixl</c>, <c>mori</c> or <c>ascend</c>: differ in clocks, heartbeat and abort notices.
    /// </summary>
    public string TransferBackend { get; init; } = "mooncake";

    /// <summary><c>/pd_role_switch</c> really switches, as in builds that have it; else it refuses. Default false.</summary>
    public bool EnableRoleSwitch { get; init; }

    public string? ApiKey { get; init; }
    public string? AdminApiKey { get; init; }

    /// <summary>Requests in one batch, for the whole server with attention DP, per rank without. Default 128.</summary>
    public int MaxRunningRequests { get; init; } = 128;

    /// <summary>
    /// Request slots of a decode rank beyond its share of the above; null = twice the share where that is at most 32, else 0.
    /// </summary>
    public int? DecodeExtraSlots { get; init; }

    /// <summary>Free KV tokens that a decode rank needs besides the prompt. Default 512.</summary>
    public int ReservedDecodeTokens { get; init; } = 512;

    /// <summary>KV tokens of a rank. Default 360,064 (some 24 GB of DeepSeek-V3 KV).</summary>
    public int TokenCapacity { get; init; } = 360_064;

    /// <summary>Tokens of prompt and answer together. Default 131,072.</summary>
    public int ContextLength { get; init; } = 131_072;

    public TimingModel Timing { get; init; } = new();
    public ModelOptions Model { get; init; } = new();

    /// <summary>Times real time; 0 = as fast as it can. Default 1. Clocks and heartbeats are not sped up.</summary>
    public double Speed { get; init; } = 1;

    /// <summary>KV bytes per token that really travel, 8 ... 4096; lost or altered ones change the answer. Default 16.</summary>
    public int KvWireBytesPerToken { get; init; } = 16;

    public bool EnableMetrics { get; init; } = true;

    /// <summary>Frames of <c>/generate</c> streams hold only what is new. Default false.</summary>
    public bool IncrementalStreamingOutput { get; init; }

    /// <summary>Report cached tokens in the usage of OpenAI answers. Default true (SGLang: false).</summary>
    public bool EnableCacheReport { get; init; } = true;

    /// <summary>Usage chunk on every OpenAI stream. Default false.</summary>
    public bool StreamDefaultIncludeUsage { get; init; }

    /// <summary>Time after the listener opens in which <c>/health</c> answers 503. Default 0.</summary>
    public TimeSpan Warmup { get; init; }

    /// <summary>How long a health probe takes while it waits for its token; null = one second over <see cref="Speed"/>.</summary>
    public TimeSpan? HealthPoll { get; init; }

    /// <summary>When <c>/health</c> of a paused engine gives up. Default 20 s.</summary>
    public TimeSpan HealthTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Idle connections are closed after this. Default 5 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a waiting request looks whether its client is still there. Default 4 s.</summary>
    public TimeSpan DisconnectPoll { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>Prefill: from arrival to the decode's destination. Default 300 s.</summary>
    public TimeSpan BootstrapTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Decode: from its destination to the complete KV. Default 300 s.</summary>
    public TimeSpan WaitingTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Sweep of the room table. Default 120 s.</summary>
    public TimeSpan RoomEntryTtl { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Pause between a decode rank's heartbeats. Default 5 s.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Failed heartbeats in a row that mean death. Default 2.</summary>
    public int HeartbeatMaxFailure { get; init; } = 2;

    /// <summary>Pause between tries for the server information. Default 1 s.</summary>
    public TimeSpan BootstrapRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Tries for the server information, counted per address. Default 15.</summary>
    public int BootstrapTries { get; init; } = 15;

    /// <summary>Decode: query the owner of every room, even where the room number encodes it. Default false.</summary>
    public bool ForceQueryPrefillRank { get; init; }

    internal string ResolvedLoadBalance => LoadBalanceMethod != "auto" ? LoadBalanceMethod
        : Role == EngineRole.Prefill ? "follow_bootstrap_room" : "round_robin";

    internal string Mode => Role switch { EngineRole.Prefill => "prefill", EngineRole.Decode => "decode", _ => "null" };

    internal int Window =>
        Math.Max(1, Math.Min(EnableDpAttention ? MaxRunningRequests / DpSize : MaxRunningRequests, TokenCapacity / 2));

    internal int Slots =>
        Window + (DecodeExtraSlots ?? (MaxRunningRequests / DpSize <= 32 ? 2 * (MaxRunningRequests / DpSize) : 0));

    internal int MaxInput => ContextLength - 6;
    internal string Name => ServedModelName.Length == 0 ? ModelPath : ServedModelName;
}
