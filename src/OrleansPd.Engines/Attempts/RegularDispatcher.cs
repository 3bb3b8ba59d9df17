using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;
using OrleansPd.Net.Http1;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Sends a request to a regular worker as it is, and brings the answer back as it comes. Admission, blame, retries and limits are
/// those of all requests; what is missing is a partner.
/// </summary>
public sealed class RegularDispatcher(PairDispatcher pairs)
{
    /// <summary>Runs the call to its end for the client. Failures are answers, given to the sink.</summary>
    /// <param name="clientGone">Fires when nobody waits for the answer any more.</param>
    public async ValueTask<DispatchReport> RunAsync(RegularCall call, IAnswerSink sink, CancellationToken clientGone)
    {
        ArgumentNullException.ThrowIfNull(call);
        ArgumentNullException.ThrowIfNull(sink);
        var report = new DispatchReport { StartedAt = pairs.Clock.GetTimestamp() };
        pairs.EarnRetry();
        var request = call.Pair with { OnlyRegular = true };
        Try? failed = null;
        try
        {
            for (var number = 0; ; number++)
            {
                var left = pairs.TimeLeft(report);
                var wish = request with { Attempt = number, MaxWait = request.MaxWait < left ? request.MaxWait : left };
                var asked = pairs.Clock.GetTimestamp();
                var grant = await pairs.ControlPlane.AcquireAsync(wish, clientGone).ConfigureAwait(false);
                pairs.Meter.QueueWaited(pairs.Clock.GetElapsedTime(asked));
                if (grant.Lease is not { } lease)
                {
                    report.Refusal = grant.Refusal;
                    await (failed?.AnswerAsync(sink, clientGone) ?? sink.RefuseAsync(AnswerError.Of(grant.Refusal!), clientGone))
                        .ConfigureAwait(false);
                    return report;
                }
                var sentAt = pairs.Clock.GetTimestamp();
                var attempt = new AttemptReport { Lease = lease, Number = number, Rids = [], SentAt = sentAt };
                report.Add(attempt);
                var (end, tried) = await TryAsync(call, attempt, report, sink, clientGone).ConfigureAwait(false);
                report.Verdict = attempt.Verdict = tried.Verdict;
                attempt.DecodeEndedAt = pairs.Clock.GetTimestamp();
                pairs.LegClosed(lease, LegSide.Decode, tried.Verdict.OutcomeOf(LegSide.Decode, end));
                if (tried.Verdict.IsSuccess)
                {
                    return report;
                }
                var mayRetry = tried is { Begun: false, Verdict.Retryable: true } && number < pairs.Options.MaxRetries
                    && pairs.TimeLeft(report) > TimeSpan.Zero && pairs.TryTakeRetry();
                if (!mayRetry)
                {
                    await tried.AnswerAsync(sink, clientGone).ConfigureAwait(false);
                    return report;
                }
                failed = tried;
                request = request with { AvoidDecode = tried.Verdict.Resend ? request.AvoidDecode : lease.Decode.Id };
            }
        }
        catch (OperationCanceledException) when (clientGone.IsCancellationRequested)
        {
            report.Verdict = Verdict.ClientGone;
            return report;
        }
        finally
        {
            report.EndedAt = pairs.Clock.GetTimestamp();
        }
    }

    private async ValueTask<(LegEnd End, Try Tried)> TryAsync(
        RegularCall call, AttemptReport attempt, DispatchReport report, IAnswerSink sink, CancellationToken clientGone)
    {
        pairs.LegOpened(LegSide.Decode);
        var left = pairs.TimeLeft(report);
        var limit = left < pairs.Options.FirstOutputTimeout ? left : pairs.Options.FirstOutputTimeout;
        using var late = new CancellationTokenSource(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, pairs.Clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(clientGone, pairs.Shutdown, late.Token);
        var exchange = new Exchange(pairs, call, attempt, sink);
        var span = LegSpan.Begin(call.Trace, call.Path, attempt.Lease, LegSide.Decode, items: 1, attempt.Number);
        LegEnd end;
        Verdict? verdict = null;
        try
        {
            var headers = LegSpan.Headers(call.Trace, span, call.Headers);
            end = await exchange.RunAsync(headers, () => late.CancelAfter(Positive(pairs.TimeLeft(report))), stop.Token)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            end = LegEnd.Cancelled;
            verdict = clientGone.IsCancellationRequested ? Verdict.ClientGone
                : pairs.Shutdown.IsCancellationRequested ? Verdict.ShuttingDown
                : Verdict.OutOfTime(attempt.FirstOutputAt != 0);
        }
        catch (UpstreamException e)
        {
            end = new(e.NeverSent ? LegEndKind.Unreachable : e.WasStale ? LegEndKind.Stale : LegEndKind.Broken, 0, e.Message);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A bug of ours must not leave the leg open: the lease would never come back.
            end = new(LegEndKind.GatewayError, 500, $"The gateway failed: {e.GetType().Name}.");
        }
        LegSpan.End(span, end);
        verdict ??= end.IsOk ? Verdict.Success : Verdict.OfFailure(LegSide.Decode, end, regular: true);
        return (end, new Try(verdict, exchange.Error, exchange.HasBegun));
    }

    private static TimeSpan Positive(TimeSpan time) => time > TimeSpan.Zero ? time : TimeSpan.Zero;

    /// <summary>What became of one attempt.</summary>
    private sealed record Try(Verdict Verdict, EngineReply? Error, bool Begun)
    {
        public ValueTask AnswerAsync(IAnswerSink sink, CancellationToken clientGone)
        {
            if (clientGone.IsCancellationRequested)
            {
                return ValueTask.CompletedTask;
            }
            var error = new AnswerError(Verdict.Status, Verdict.Reason, Verdict.Message, Error?.RetryAfter);
            if (Begun)
            {
                return sink.FailAsync(error, clientGone);
            }
            if (Error is not { IsJson: true } reply || Verdict.Side is null)
            {
                return sink.RefuseAsync(error, clientGone);
            }
            var head = new AnswerHead(reply.Status, reply.ContentType, RetryAfter: reply.RetryAfter);
            return sink.AnswerAsync(head, reply.Body, clientGone);
        }
    }

    /// <summary>One request to one engine.</summary>
    private sealed class Exchange(PairDispatcher pairs, RegularCall call, AttemptReport attempt, IAnswerSink sink)
    {
        /// <summary>The engine's answer, where it is an error.</summary>
        public EngineReply? Error { get; private set; }

        /// <summary>Part of the answer has gone to the client.</summary>
        public bool HasBegun { get; private set; }

        /// <param name="headers">For the engine.</param>
        /// <param name="answered">Called when the engine has begun to answer: another limit counts from then on.</param>
        /// <param name="stop">Ends it.</param>
        public async ValueTask<LegEnd> RunAsync(
            IReadOnlyList<KeyValuePair<string, string>>? headers, Action answered, CancellationToken stop)
        {
            var worker = attempt.Lease.Decode;
            await using var response = await pairs.Upstream.SendAsync(
                new UpstreamRequest
                {
                    Engine = worker.Url,
                    Path = call.Path,
                    Body = new UpstreamBody(call.Body),
                    ApiKey = worker.ApiKey,
                    Authorization = call.Authorization,
                    Headers = headers,
                },
                stop).ConfigureAwait(false);
            answered();
            if (response.Status >= 400)
            {
                Error = await EngineReply.ReadAsync(response, pairs.Options.MaxHeldAnswer, stop).ConfigureAwait(false);
                var (words, elapsed) = (ErrorBody.Extract(Error.Body), pairs.Clock.GetElapsedTime(attempt.SentAt));
                return EngineAnswer.Classify(LegSide.Decode, Error.Status, words, elapsed, ridIsOurs: false);
            }
            if (response.Status is < 200 or >= 300)
            {
                return new(LegEndKind.Malformed, 0, $"The engine answered with status {response.Status}.");
            }
            return await RelayAsync(response, stop).ConfigureAwait(false);
        }

        /// <summary>
        /// An answer that is small enough is taken in whole first, so that an engine that dies in the middle can be replaced.
        /// </summary>
        private async ValueTask<LegEnd> RelayAsync(IUpstreamResponse response, CancellationToken stop)
        {
            var head = new AnswerHead(response.Status, response.ContentType);
            using var held = new PooledBuffer((int)Math.Min(response.ContentLength ?? 4096, 1 << 20));
            while (true)
            {
                var read = await response.ReadAsync(held.Free(), stop).ConfigureAwait(false);
                var now = pairs.Clock.GetTimestamp();
                attempt.FirstOutputAt = attempt.FirstOutputAt == 0 ? now : attempt.FirstOutputAt;
                attempt.Lease.Progressed(now);
                if (read == 0)
                {
                    break;
                }
                held.Advance(read);
                if (held.Length < pairs.Options.MaxHeldAnswer)
                {
                    continue;
                }
                if (!HasBegun)
                {
                    HasBegun = true;
                    await sink.StartAsync(head, stop).ConfigureAwait(false);
                }
                await sink.WriteAsync(held.Written, stop).ConfigureAwait(false);
                held.Clear();
            }
            attempt.FirstContentAt = attempt.FirstOutputAt;
            await (HasBegun ? sink.WriteAsync(held.Written, stop) : sink.AnswerAsync(head, held.Written, stop))
                .ConfigureAwait(false);
            return LegEnd.Ok;
        }
    }
}
