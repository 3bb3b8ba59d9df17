using OrleansPd.Core.Attempts;

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
    /// Retries at hand without traffic, and the most that are ever at hand, 0 to 1,000,000. Default 1,000: what was on one or two
    /// engines that die.
    /// </summary>
    public int RetryReserve { get; set; } = 1000;

    /// <summary>
    /// Go on with another pair when a decode engine fails in the middle of a stream, from the prompt and the text so far. Default
    /// false: it costs a look into each event, and the text of a sampled answer goes on as another draw than it would have.
    /// </summary>
    public bool ResumeStreams { get; set; }

    /// <summary>How often one stream may go on elsewhere, 0 to 100. Default 3.</summary>
    public int MaxResumes { get; set; } = 3;

    /// <summary>
    /// Longest time without the first output of decode, for one attempt. Default 280 s: below the 300 s after which engines give
    /// up by themselves, so that the reason is known and both sides are freed by us.
    /// </summary>
    public TimeSpan FirstOutputTimeout { get; set; } = TimeSpan.FromSeconds(280);

    /// <summary>Whole life of a request, queueing and retries included. Default 30 min, as the SGLang router.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>
    /// Longest silence of a stream that has begun; zero = no limit. Default 300 s: an engine that is paused, or that retracts its
    /// requests for a weight update, is silent for up to some 180 s and goes on afterwards.
    /// </summary>
    public TimeSpan StreamIdleTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>
    /// How long a prefill may take to end its answer after decode has ended its own well; then it is cut, which costs nobody
    /// anything, and its capacity is free. Default 5 s: the answer is due when the transfer is done.
    /// </summary>
    public TimeSpan PrefillDrain { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest that a failed attempt waits for its aborts before its capacity is given back. Default 50 ms.</summary>
    public TimeSpan AbortWait { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Longest wait for what the decode says when its prefill tells of a failed transfer. Default 250 ms: the engines notify one
    /// another, and an abort that a client sent to the decode reaches the prefill as a failure without a reason.
    /// </summary>
    public TimeSpan PartnerWord { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// How long after the closed connection a decode is told to abort a request that has given no output yet. Default zero: at
    /// once. For engine builds that do not bear an abort in the middle of a transfer; they notice the closed connection
    /// meanwhile. Ids that clients brought are then left to the closed connection, since a client may use its id again before the
    /// time is over.
    /// </summary>
    public TimeSpan DecodeAbortDelay { get; set; }

    /// <summary>Longest life of one abort call. Default 2 s.</summary>
    public TimeSpan AbortTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// When an abort by one of our own ids is said again, counted from the first time: an engine ignores the abort of a request
    /// that it has not taken up yet, and then notices the closed connection only seconds later. Default 25 ms, 100 ms and 1 s.
    /// </summary>
    public IReadOnlyList<TimeSpan> AbortAgainAfter { get; set; } =
        [TimeSpan.FromMilliseconds(25), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1)];

    /// <summary>
    /// How long an abort by one of our own ids is repeated that an engine does not take, 0 to 1 h; ever more slowly, at last
    /// every 30 s. Default 5 min: by then the engine has let go of the request by its own clocks.
    /// </summary>
    public TimeSpan AbortGiveUpAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Aborts that may wait to be said again; more are dropped, and the closed connection has to do. Default 4096.
    /// </summary>
    public int MaxAbortsToRepeat { get; set; } = 4096;

    /// <summary>
    /// A plain answer up to this size is taken in whole before the first byte goes to the client, so that an engine that dies in
    /// the middle can still be replaced. Default 1 MiB.
    /// </summary>
    public int MaxHeldAnswer { get; set; } = 1024 * 1024;

    /// <summary>
    /// Longest single event of a stream, and longest prefill answer that is kept for merging, in bytes. Default 64 MiB.
    /// </summary>
    public int MaxEvent { get; set; } = 64 * 1024 * 1024;
}
