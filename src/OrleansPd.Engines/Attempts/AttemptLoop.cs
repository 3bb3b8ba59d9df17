namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Runs one call to one pair or regular worker: attempts, one after the other, until one succeeds or none may follow. One
/// instance serves all calls of a dispatcher. The numbers are the steps of <see cref="RequestDispatcher"/>.
/// </summary>
internal sealed class AttemptLoop(DispatchServices services)
{
    private long _retries;
    private long _resumed;

    public long Retries => Interlocked.Read(ref _retries);
    public long Resumed => Interlocked.Read(ref _resumed);

    /// <summary>A batch that no rank can hold as a whole. It has not been answered: its prompts can be sent one by one.</summary>
    public static bool IsTooLargeBatch(DispatchCall call, DispatchReport report) =>
        report.Refusal is { Reason: RefusalReason.TooLarge } && call.Items > 1;

    /// <summary>
    /// Runs the call until its answer is complete. The prefill leg may run longer; it returns its capacity when it ends.
    /// </summary>
    /// <returns>The report of the call. A list, so that the dispatcher can return it as it is.</returns>
    public async ValueTask<IReadOnlyList<DispatchReport>> RunAsync(
        DispatchCall call, IAnswerSink sink, CancellationToken clientGone)
    {
        var report = new DispatchReport { StartedAt = services.Clock.GetTimestamp() };
        services.RetryBudget.Earn();
        using var stream = ResumableStream.For(call, services.Options);
        var request = call.Pair;
        var state = new RetryState();
        Attempt? failed = null;
        try
        {
            while (true)
            {
                // 2-4. Admission, workers and rooms.
                request = request with { Attempt = report.Attempts.Count };
                var grant = await AcquireAsync(call, request, failed, report, clientGone).ConfigureAwait(false);
                if (grant.Lease is not { } lease)
                {
                    await RefusedAsync(call, grant.Refusal!, failed, report, sink, clientGone).ConfigureAwait(false);
                    break;
                }
                if (failed is null)
                    call.Leased?.Invoke(lease);
                // 5-8. Both legs, the answer, and the aborts after a failure.
                var attempt = new Attempt(services, stream?.Current ?? call, lease, report, sink, stream?.Journal);
                if (call.Live?.TryBegin(call.Item, attempt.Report) == false)
                {
                    services.Return(lease);
                    await AbortedAsync(failed, report, sink, clientGone).ConfigureAwait(false);
                    break;
                }
                report.Verdict = await attempt.RunAsync(clientGone).ConfigureAwait(false);
                call.Live?.Ended(attempt.Report);
                if (report.Verdict.IsSuccess)
                    break;
                if (!MayFollow(attempt, call, stream, report, ref state))
                {
                    await attempt.AnswerFailureAsync(clientGone).ConfigureAwait(false);
                    break;
                }
                request = Avoiding(report.Verdict, request, stream?.Current ?? call, lease);
                failed = attempt;
            }
        }
        catch (OperationCanceledException) when (clientGone.IsCancellationRequested)
        {
            report.Verdict = Verdict.ClientGone;
        }
        catch (OperationCanceledException) when (call.Live?.IsAborted(call.Item) == true)
        {
            await AbortedAsync(failed, report, sink, clientGone).ConfigureAwait(false);
        }
        finally
        {
            report.EndedAt = services.Clock.GetTimestamp();
        }
        return [report];
    }

    /// <summary>Decides whether another attempt follows, and prepares its body where a stream is resumed.</summary>
    private bool MayFollow(
        Attempt attempt, DispatchCall call, ResumableStream? stream, DispatchReport report, ref RetryState state)
    {
        if (call.Live?.IsAborted(call.Item) == true)
            return false;
        var failed = new FailedAttempt(
            report.Verdict!, attempt.IsCommitted, services.TimeLeft(report), services.Shutdown.IsCancellationRequested);
        var step = state.After(failed, stream?.Journal, services.Options, services.RetryBudget, out var next);
        state = next;
        switch (step)
        {
            case NextStep.Retry:
                Interlocked.Increment(ref _retries);
                return true;
            case NextStep.Resume when stream!.TryContinue():
                report.Resumed = state.Resumes;
                Interlocked.Increment(ref _resumed);
                return true;
            default:
                return false;
        }
    }

    /// <summary>The request for the next attempt: it avoids the workers that may have caused the failure.</summary>
    private static PairRequest Avoiding(Verdict verdict, PairRequest request, DispatchCall next, PairLease lease) =>
        verdict.Resend
        ? request with { Near = null }
        : next.Pair with
        {
            AvoidPrefill = verdict.Blame == Blame.Decode ? request.AvoidPrefill : lease.Prefill?.Id ?? default,
            AvoidDecode = verdict.Blame == Blame.Prefill ? request.AvoidDecode : lease.Decode.Id,
            Near = null,
        };

    /// <summary>
    /// Gets a lease. A retry may get the engine that asked for a pause (<c>Retry-After</c>) where no other has capacity. The
    /// lease is then returned for the length of the pause; a pause longer than the time left ends the request.
    /// </summary>
    private async ValueTask<PairGrant> AcquireAsync(
        DispatchCall call, PairRequest request, Attempt? failed, DispatchReport report, CancellationToken clientGone)
    {
        using var either = call.Live is { } live
            ? CancellationTokenSource.CreateLinkedTokenSource(clientGone, live.Aborted)
            : null;
        while (true)
        {
            var askedAt = services.Clock.GetTimestamp();
            var limited = request with { MaxWait = WaitLeft(request, report) };
            var grant = await services.ControlPlane.AcquireAsync(limited, either?.Token ?? clientGone).ConfigureAwait(false);
            services.Meter.QueueWaited(services.Clock.GetElapsedTime(askedAt));
            if (grant.Lease is not { } lease || failed is null || !failed.MustWaitFor(lease, out var pause))
                return grant;
            services.Return(lease);
            var fits = pause < services.TimeLeft(report);
            if (fits)
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(clientGone, services.Shutdown.Token);
                await Task.Delay(pause, services.Clock, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                clientGone.ThrowIfCancellationRequested();
            }
            if (!fits || services.Shutdown.IsCancellationRequested)
            {
                return PairGrant.Refused(
                    new Refusal(RefusalReason.QueueTimeout, "The engine has asked for a pause that is too long.", pause));
            }
        }
    }

    private TimeSpan WaitLeft(PairRequest request, DispatchReport report)
    {
        var left = services.TimeLeft(report);
        return request.MaxWait < left ? request.MaxWait : left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>Answers a refusal; where a retry is refused, the client gets the failure that caused the retry.</summary>
    private static ValueTask RefusedAsync(
        DispatchCall call, Refusal refusal, Attempt? failed, DispatchReport report, IAnswerSink sink,
        CancellationToken clientGone)
    {
        report.Refusal = refusal;
        return IsTooLargeBatch(call, report)
            ? ValueTask.CompletedTask
            : failed?.AnswerFailureAsync(clientGone) ?? sink.RefuseAsync(AnswerError.Of(refusal), clientGone);
    }

    private static ValueTask AbortedAsync(Attempt? failed, DispatchReport report, IAnswerSink sink, CancellationToken clientGone)
    {
        var verdict = report.Verdict = Verdict.AbortedEarly;
        var error = new AnswerError(verdict.Status, verdict.Reason, verdict.Message);
        return failed?.AnswerFailureAsync(clientGone) ?? sink.RefuseAsync(error, clientGone);
    }
}
