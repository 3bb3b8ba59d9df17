namespace OrleansPd.Core.Workers;

/// <summary>
/// What an engine reports about itself: <c>/server_info</c>, <c>/model_info</c>, and its bootstrap server's <c>/route</c> with
/// all ranks -1. Any member may be unknown: engines differ by release and front end, so null means "not reported", never "zero".
/// </summary>
public sealed record WorkerFacts
{
    public static WorkerFacts Unknown { get; } = new();

    /// <summary>The role that the engine reports; null = not reported (Rust front ends).</summary>
    public WorkerRole? Role { get; init; }

    public string? ModelPath { get; init; }
    public string? ServedModelName { get; init; }
    public string? TokenizerPath { get; init; }

    /// <summary>
    /// Names of the loaded LoRA adapters, sorted, one per line; empty = none. One string, so that facts compare by value.
    /// </summary>
    public string AdapterNames { get; init; } = "";

    /// <summary>Whether the model generates; false for embedding models, null = not reported.</summary>
    public bool? Generates { get; init; }

    /// <summary>SGLang release, e.g. <c>0.5.18</c>. Releases must be equal inside a transfer group.</summary>
    public string? Version { get; init; }

    /// <summary>Data-parallel ranks behind the address; at least 1, default 1.</summary>
    public int DpSize { get; init; } = 1;

    /// <summary>Tokens in a KV page. If prefill and decode differ, the decode engine crashes at the first transfer.</summary>
    public int? PageSize { get; init; }

    public string? KvCacheDtype { get; init; }
    public string? TransferBackend { get; init; }

    /// <summary>
    /// Resolved method: <c>follow_bootstrap_room</c>, <c>round_robin</c>, <c>total_requests</c>, <c>total_tokens</c>.
    /// </summary>
    public string? LoadBalanceMethod { get; init; }

    /// <summary>Port of the KV bootstrap server inside a prefill engine; null = not reported.</summary>
    public int? BootstrapPort { get; init; }

    /// <summary>Maximum of running requests per rank.</summary>
    public int? MaxRunningPerRank { get; init; }

    /// <summary>
    /// Maximum requests of one decode rank, including those in KV transfer: the running limit plus SGLang's
    /// <c>disaggregation_decode_extra_slots</c>.
    /// </summary>
    public int? SlotsPerRank { get; init; }

    /// <summary>KV cache tokens of one rank.</summary>
    public long? TokenCapacityPerRank { get; init; }

    /// <summary>Maximum of prompt plus answer, in tokens.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Distinguishes one engine process from the next at the same address; null = not reported.</summary>
    public string? ProcessIdentity { get; init; }

    /// <summary>
    /// These facts, completed by those known of the same process before: a report that lacks a member does not erase it.
    /// </summary>
    public WorkerFacts Over(WorkerFacts known)
    {
        ArgumentNullException.ThrowIfNull(known);
        return this with
        {
            Role = Role ?? known.Role,
            ModelPath = ModelPath ?? known.ModelPath,
            ServedModelName = ServedModelName ?? known.ServedModelName,
            TokenizerPath = TokenizerPath ?? known.TokenizerPath,
            Generates = Generates ?? known.Generates,
            Version = Version ?? known.Version,
            DpSize = Math.Max(DpSize, known.DpSize),
            PageSize = PageSize ?? known.PageSize,
            KvCacheDtype = KvCacheDtype ?? known.KvCacheDtype,
            TransferBackend = TransferBackend ?? known.TransferBackend,
            LoadBalanceMethod = LoadBalanceMethod ?? known.LoadBalanceMethod,
            BootstrapPort = BootstrapPort ?? known.BootstrapPort,
            MaxRunningPerRank = MaxRunningPerRank ?? known.MaxRunningPerRank,
            SlotsPerRank = SlotsPerRank ?? known.SlotsPerRank,
            TokenCapacityPerRank = TokenCapacityPerRank ?? known.TokenCapacityPerRank,
            ContextLength = ContextLength ?? known.ContextLength,
            ProcessIdentity = ProcessIdentity ?? known.ProcessIdentity,
        };
    }
}
