using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Sends a request to a pair, both legs at once, and brings the answer back. It moves bytes and keeps time; what to do is
/// <see cref="DispatchState"/>'s to decide.
/// </summary>
public sealed class PairDispatcher(
    IControlPlane controlPlane, IUpstream upstream, RidSource rids, LiveRids liveRids, DispatchOptions options,
    TimeProvider clock)
{
    private readonly RetryBudget _budget = new(options.RetryShare, options.RetryReserve);
    private readonly CancellationTokenSource _shutdown = new();
    private int _openPrefillLegs;
    private int _openDecodeLegs;
    private long _retries;
    private long _resumed;

    /// <summary>Prefill legs whose engine has not ended them yet, those that are drained in the background included.</summary>
    public int OpenPrefillLegs => Volatile.Read(ref _openPrefillLegs);

    public int OpenDecodeLegs => Volatile.Read(ref _openDecodeLegs);

    /// <summary>Attempts after the first.</summary>
    public long Retries => Interlocked.Read(ref _retries);

    /// <summary>Streams that went on with another pair after their decode engine had failed.</summary>
    public long Resumed => Interlocked.Read(ref _resumed);

    /// <summary>How long the stages of requests took.</summary>
    public DispatchMeter Meter { get; } = new();

    public EngineAborter Aborter { get; } = new(upstream, options, clock);

    internal LimitTimers Limits { get; } = new(clock);

    internal CancellationToken Shutdown => _shutdown.Token;

    internal IControlPlane ControlPlane => controlPlane;

    internal IUpstream Upstream => upstream;

    internal DispatchOptions Options => options;

    internal TimeProvider Clock => clock;

    /// <summary>Where ids of our own come from.</summary>
    public RidSource Rids => rids;

    /// <summary>The clients' own ids in use.</summary>
    public LiveRids LiveRids => liveRids;

    /// <summary>The requests that can be aborted by a client's id.</summary>
    public LiveRequests LiveRequests { get; } = new();

    /// <summary>
    /// Aborts what a client knows by this id and the engines do not: the samples of one prompt, the prompts of a batch, a
    /// request's second attempt, and what of them has not gone out yet. What engines have under the id itself is left to the
    /// caller.
    /// </summary>
    /// <returns>Ends when the engines have been told, or have had the time of one abort.</returns>
    public Task AbortAsync(string rid) => AbortAsync(LiveRequests.Abort(rid), rid);

    /// <summary>The same for all requests that have an id, and all that went out in parts.</summary>
    public Task AbortAllAsync() => AbortAsync(LiveRequests.AbortAll(), null);

    private Task AbortAsync(IReadOnlyList<AbortTarget> targets, string? rid) => Task.WhenAll(
        targets.Where(t => rid is null || t.Rids is not [var only] || only != rid)
            .Select(t => Aborter.AbortAsync(t.Worker, t.Rids, t.Rids[0].StartsWith(rids.Prefix, StringComparison.Ordinal))));

    /// <summary>
    /// Runs the call to its end for the client. The prefill leg may go on after that; it frees what it holds when it ends.
    /// Failures are answers, given to the sink; only what is no failure of the request is thrown.
    /// </summary>
    /// <param name="clientGone">Fires when nobody waits for the answer any more.</param>
    public async ValueTask<DispatchReport> RunAsync(DispatchCall call, IAnswerSink sink, CancellationToken clientGone)
    {
        ArgumentNullException.ThrowIfNull(call);
        ArgumentNullException.ThrowIfNull(sink);
        var report = new DispatchReport { StartedAt = clock.GetTimestamp() };
        _budget.Earn();
        using var journal = options.ResumeStreams && Resumable.Is(call.Body.Memory.Span, call.Shape)
            ? new StreamJournal(call.Shape.Dialect, call.Shape.IncludeUsage, call.Shape.ContinuousUsage)
            : null;
        var first = journal is null ? call : ResumeBody.First(call);
        List<SharedBody>? made = ReferenceEquals(first.Body, call.Body) ? null : [first.Body];
        var current = first;
        var request = call.Pair;
        var retries = 0;
        var resent = false;
        Attempt? failed = null;
        try
        {
            for (var number = 0; ; number++)
            {
                var wish = request with { Attempt = number };
                var grant = await AcquireAsync(call, wish, failed, report, clientGone).ConfigureAwait(false);
                if (grant.Lease is not { } lease)
                {
                    report.Refusal = grant.Refusal;
                    if (IsTooLargeBatch(call, report))
                    {
                        return report;
                    }
                    // A retry that finds no pair tells of the failure that made it necessary, not of the want of another pair.
                    await (failed?.AnswerFailureAsync(clientGone) ?? sink.RefuseAsync(AnswerError.Of(grant.Refusal!), clientGone))
                        .ConfigureAwait(false);
                    return report;
                }
                if (number == 0)
                {
                    call.Leased?.Invoke(lease);
                }
                var attempt = new Attempt(this, current, lease, number, report, sink, journal);
                var begun = report.Attempts[^1];
                if (call.Live?.TryBegin(call.Item, begun) == false)
                {
                    GiveBack(lease);
                    return await AbortedAsync(failed, report, sink, clientGone).ConfigureAwait(false);
                }
                var verdict = await attempt.RunAsync(clientGone).ConfigureAwait(false);
                call.Live?.Ended(begun);
                report.Verdict = verdict;
                if (verdict.IsSuccess)
                {
                    return report;
                }
                var free = verdict.Resend && !resent;
                if (call.Live?.IsAborted(call.Item) == true)
                {
                    await attempt.AnswerFailureAsync(clientGone).ConfigureAwait(false);
                    return report;
                }
                if (verdict.Retryable && MayRetry(attempt, free ? 0 : retries, report))
                {
                    retries += free ? 0 : 1;
                    resent |= free;
                    Interlocked.Increment(ref _retries);
                }
                else if (journal is not null && MayResume(attempt, verdict, journal, report))
                {
                    journal.NextAttempt();
                    if (ResumeBody.Next(first, journal) is not { } next)
                    {
                        await attempt.AnswerFailureAsync(clientGone).ConfigureAwait(false);
                        return report;
                    }
                    (made ??= []).Add(next.Body);
                    current = next;
                    retries = 0;
                    report.Resumed++;
                    Interlocked.Increment(ref _resumed);
                }
                else
                {
                    await attempt.AnswerFailureAsync(clientGone).ConfigureAwait(false);
                    return report;
                }
                failed = attempt;
                request = verdict.Resend ? request with { Near = null } : current.Pair with
                {
                    AvoidPrefill = verdict.Blame == Blame.Decode ? request.AvoidPrefill : lease.Prefill?.Id ?? default,
                    AvoidDecode = verdict.Blame == Blame.Prefill ? request.AvoidDecode : lease.Decode.Id,
                    Near = null,
                };
            }
        }
        catch (OperationCanceledException) when (clientGone.IsCancellationRequested)
        {
            report.Verdict = Verdict.ClientGone;
            return report;
        }
        catch (OperationCanceledException) when (call.Live?.IsAborted(call.Item) == true)
        {
            return await AbortedAsync(failed, report, sink, clientGone).ConfigureAwait(false);
        }
        finally
        {
            report.EndedAt = clock.GetTimestamp();
            // Bodies that were made here; a prefill leg that still sends one holds it itself.
            made?.ForEach(body => body.Dispose());
        }
    }

    /// <summary>
    /// Where no other pair has room, a retry may be given the engine that has asked for a pause (<c>Retry-After</c>). The
    /// capacity is then given back for that long; where the pause is longer than the request may live, there is no retry.
    /// </summary>
    private async ValueTask<PairGrant> AcquireAsync(
        DispatchCall call, PairRequest request, Attempt? failed, DispatchReport report, CancellationToken clientGone)
    {
        using var either = call.Live is { } live
            ? CancellationTokenSource.CreateLinkedTokenSource(clientGone, live.Aborted)
            : null;
        while (true)
        {
            var asked = clock.GetTimestamp();
            var wish = request with { MaxWait = WaitLeft(request, report) };
            var grant = await controlPlane.AcquireAsync(wish, either?.Token ?? clientGone).ConfigureAwait(false);
            Meter.QueueWaited(clock.GetElapsedTime(asked));
            if (grant.Lease is not { } lease || failed is null || !failed.MustWaitFor(lease, out var pause))
            {
                return grant;
            }
            GiveBack(lease);
            var fits = pause < TimeLeft(report);
            if (fits)
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(clientGone, Shutdown);
                await Task.Delay(pause, clock, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                clientGone.ThrowIfCancellationRequested();
            }
            if (!fits || Shutdown.IsCancellationRequested)
            {
                return PairGrant.Refused(
                    new Refusal(RefusalReason.QueueTimeout, "The engine has asked for a pause that is too long.", pause));
            }
        }
    }

    /// <summary>Gives back a lease with which nothing was sent.</summary>
    private void GiveBack(PairLease lease)
    {
        if (!lease.IsRegular)
        {
            controlPlane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
        }
        controlPlane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
    }

    private static async ValueTask<DispatchReport> AbortedAsync(
        Attempt? failed, DispatchReport report, IAnswerSink sink, CancellationToken clientGone)
    {
        var verdict = report.Verdict = Verdict.AbortedEarly;
        var error = new AnswerError(verdict.Status, verdict.Reason, verdict.Message);
        await (failed?.AnswerFailureAsync(clientGone) ?? sink.RefuseAsync(error, clientGone)).ConfigureAwait(false);
        return report;
    }

    /// <summary>Ends every request that is still running: engines are told, clients get an error in their dialect.</summary>
    public void EndAll() => _shutdown.Cancel();

    /// <summary>A batch that no rank can hold as a whole is not refused by us: its prompts can be sent one by one.</summary>
    internal static bool IsTooLargeBatch(DispatchCall call, DispatchReport report) =>
        report.Refusal is { Reason: RefusalReason.TooLarge } && call.Items > 1;

    /// <summary>A first attempt is made.</summary>
    internal void EarnRetry() => _budget.Earn();

    /// <summary>Takes one retry from the gateway's budget, if there is one.</summary>
    internal bool TryTakeRetry()
    {
        var taken = _budget.TryTake();
        if (taken)
        {
            Interlocked.Increment(ref _retries);
        }
        return taken;
    }

    internal void LegOpened(LegSide side) =>
        Interlocked.Increment(ref side == LegSide.Prefill ? ref _openPrefillLegs : ref _openDecodeLegs);

    internal void LegClosed(PairLease lease, LegSide side, LegOutcome outcome)
    {
        Interlocked.Decrement(ref side == LegSide.Prefill ? ref _openPrefillLegs : ref _openDecodeLegs);
        controlPlane.LegEnded(lease, side, outcome);
    }

    internal TimeSpan TimeLeft(DispatchReport report) => options.RequestTimeout - clock.GetElapsedTime(report.StartedAt);

    private TimeSpan WaitLeft(PairRequest request, DispatchReport report)
    {
        var left = TimeLeft(report);
        return request.MaxWait < left ? request.MaxWait : left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>
    /// A stream whose decode engine failed may go on elsewhere, while there is time, at most
    /// <see cref="DispatchOptions.MaxResumes"/> times: a request that kills each engine it meets must not be carried through the
    /// whole pool.
    /// </summary>
    private bool MayResume(Attempt attempt, Verdict verdict, StreamJournal journal, DispatchReport report) =>
        attempt.IsCommitted && journal is { HasBegun: true, IsBroken: false, IsFinished: false }
        && (verdict.Retryable || ReferenceEquals(verdict, Verdict.Stalled))
        && report.Resumed < options.MaxResumes && TimeLeft(report) > TimeSpan.Zero && !_shutdown.IsCancellationRequested;

    private bool MayRetry(Attempt attempt, int number, DispatchReport report) =>
        !attempt.IsCommitted && number < options.MaxRetries && TimeLeft(report) > TimeSpan.Zero && _budget.TryTake();
}
