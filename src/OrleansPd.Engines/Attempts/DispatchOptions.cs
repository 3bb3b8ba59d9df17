namespace OrleansPd.Engines.Attempts;

/// <summary>Limits of one dispatched request.</summary>
public sealed class DispatchOptions
{
    /// <summary>Retries of one request before its first byte, 0 to 10. Default 1: another pair and a fresh room.</summary>
    public int MaxRetries { get; set; } = 1;

    /// <summary>
    /// Retries of the whole gateway as a share of its requests, 0 to 1. Default 0.2; see <see cref="RetryBudget"/>.
    /// </summary>
    public double RetryShare { get; set; } = 0.2;

    /// <summary>
    /// Retries available without traffic, also the maximum of available retries, 0 to 1,000,000. Default 1,000: the requests of
    /// one or two engines that die.
    /// </summary>
    public int RetryReserve { get; set; } = 1000;

    /// <summary>
    /// Resume a stream on another pair when its decode engine fails, from the prompt and the text so far. Default false: each
    /// event must be parsed, and a sampled answer continues with other random numbers than it would have.
    /// </summary>
    public bool ResumeStreams { get; set; }

    /// <summary>Maximum of resumes of one stream, 0 to 100. Default 3.</summary>
    public int MaxResumes { get; set; } = 3;

    /// <summary>
    /// Time limit of one attempt for decode's first output. Default 280 s: below the 300 s after which engines give up, so that
    /// the gateway knows the reason and frees both sides.
    /// </summary>
    public TimeSpan FirstOutputTimeout { get; set; } = TimeSpan.FromSeconds(280);

    /// <summary>Time limit of a whole request, including queueing and retries. Default 30 min, as in the SGLang router.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>
    /// Maximum time between events of a stream; zero = no limit. Default 300 s: an engine that is paused, or that retracts its
    /// requests for a weight update, is silent for up to about 180 s and continues afterwards.
    /// </summary>
    public TimeSpan StreamIdleTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>
    /// Time limit for the prefill to end its answer after decode has ended well; then the leg is closed and its capacity freed.
    /// Default 5 s: the answer is due when the transfer is complete.
    /// </summary>
    public TimeSpan PrefillDrain { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Maximum wait of a failed attempt for its aborts before its capacity is returned. Default 50 ms.</summary>
    public TimeSpan AbortWait { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Maximum wait for decode's own report when the prefill reports a failed transfer. Default 250 ms: the engines notify each
    /// other, and an abort that a client sent to decode reaches the prefill as a failure without a reason.
    /// </summary>
    public TimeSpan PartnerReportWait { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// Delay between closing a decode leg without output and aborting its request. Default zero. For engine builds that cannot
    /// abort a request in the middle of a transfer; they notice the closed connection meanwhile. With a delay, requests with
    /// ids of clients are not aborted but only closed, since a client may use its id again within the delay.
    /// </summary>
    public TimeSpan DecodeAbortDelay { get; set; }

    /// <summary>Time limit of one abort call. Default 2 s.</summary>
    public TimeSpan AbortTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// When an abort by an id of ours is repeated, counted from the first one: an engine ignores the abort of a request that it
    /// has not queued yet, and then notices the closed connection only seconds later. Default 25 ms, 100 ms and 1 s.
    /// </summary>
    public IReadOnlyList<TimeSpan> AbortRepeats { get; set; } =
        [TimeSpan.FromMilliseconds(25), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1)];

    /// <summary>
    /// How long an abort by an id of ours is repeated while the engine does not accept it, 0 to 1 h; at intervals that grow from
    /// 2 s to 30 s. Default 5 min: by then the engine has dropped the request by its own time limits.
    /// </summary>
    public TimeSpan AbortGiveUpAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Maximum of aborts waiting to be repeated; further ones are not repeated. Default 4096.</summary>
    public int MaxAbortsToRepeat { get; set; } = 4096;

    /// <summary>
    /// A plain answer up to this size in bytes is read as a whole before the client gets its first byte, so that an engine that
    /// dies in the middle can be replaced. Default 1 MiB.
    /// </summary>
    public int MaxHeldAnswer { get; set; } = 1024 * 1024;

    /// <summary>
    /// Maximum size of one event of a stream, and of a prefill answer kept for merging, in bytes. Default 64 MiB.
    /// </summary>
    public int MaxEvent { get; set; } = 64 * 1024 * 1024;
}
