using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>
/// The order and the times of aborts and retries, with a clock that the test moves and engines that it speaks for.
/// </summary>
public class AbortAndRetryTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly ScriptedUpstream _engines = new();
    private readonly DispatchOptions _options = new();
    private readonly FixedControlPlane _plane = new(
        [Worker("p0", WorkerRole.Prefill, 0), Worker(
            "p1", WorkerRole.Prefill, 1), Worker("d0", WorkerRole.Decode, 2), Worker("d1", WorkerRole.Decode, 3)]);

    private static UpstreamException Refused => new(neverSent: true, "refused");

    private static UpstreamException Reset => new(neverSent: false, "reset");

    private static UpstreamException Stale => new(neverSent: false, "reset") { WasStale = true };

    [Fact]
    public async Task The_partner_is_aborted_before_the_retry_is_sent_and_nothing_is_sent_twice()
    {
        var struck = false;
        _engines.Answer = (call, token) => call.IsPrefill && !call.IsAbort && !Interlocked.Exchange(ref struck, true)
            ? throw Reset
            : call.IsAbort || struck && Attempts() > 1 ? new(ScriptedUpstream.Good(call)) : ScriptedUpstream.SilenceAsync(token);

        var report = await RunAsync();

        Assert.True(report.Verdict!.IsSuccess);
        var first = report.Attempts[0];
        var calls = _engines.Calls.ToList();
        var retry = calls.FindIndex(c => c.Rid == report.Attempts[1].Rids[0]);
        // The broken leg too: a connection that broke says nothing of what the engine has read.
        Assert.Equal(2, calls.Take(retry).Count(c => c.IsAbort && c.Rid == first.Rids[0]));
        OnceInEachRoom();
    }

    [Fact]
    public async Task An_engine_that_does_not_take_the_abort_holds_nothing_up_for_longer_than_50_ms()
    {
        using var gone = new CancellationTokenSource();
        _engines.Answer = (_, token) => ScriptedUpstream.SilenceAsync(token);
        var running = RunAsync(gone);
        await gone.CancelAsync();
        await Stage.UntilAsync(() => _engines.Aborts.Count() == 2);

        _clock.Advance(_options.AbortWait - TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, _plane.OpenLegs);
        _clock.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Same(Verdict.ClientGone, (await running).Verdict);
        Assert.Equal(0, _plane.OpenLegs);
    }

    [Fact]
    public async Task F11_An_abort_is_repeated_until_the_engine_takes_it()
    {
        using var gone = new CancellationTokenSource();
        var deaf = true;
        _engines.Answer = (call, token) =>
            call.IsAbort && !deaf ? new(ScriptedUpstream.Good(call)) : ScriptedUpstream.SilenceAsync(token);
        var dispatcher = Dispatcher();
        var running = RunAsync(gone, dispatcher);
        await gone.CancelAsync();
        await Stage.UntilAsync(() => _engines.Aborts.Count() == 2);
        _clock.Advance(_options.AbortWait);
        await running;

        // Longer than the repeats that are made in any case.
        await AdvanceUntilAsync(() => _engines.Aborts.Count() >= 2 * 6);
        Assert.InRange(_engines.Aborts.Count(), 2 * 6, 2 * 20);
        Assert.Equal(2, dispatcher.Aborter.Waiting);
        deaf = false;
        var before = _engines.Aborts.Count();

        await AdvanceUntilAsync(() => dispatcher.Aborter.Waiting == 0);

        Assert.InRange(_engines.Aborts.Count() - before, 1, 4);
        Assert.Single(_engines.Aborts.Select(a => a.Rid).Distinct());
    }

    [Fact]
    public async Task An_abort_that_is_never_taken_is_given_up()
    {
        using var gone = new CancellationTokenSource();
        _engines.Answer = (_, token) => ScriptedUpstream.SilenceAsync(token);
        var dispatcher = Dispatcher();
        var running = RunAsync(gone, dispatcher);
        await gone.CancelAsync();
        await Stage.UntilAsync(() => _engines.Aborts.Count() == 2);
        _clock.Advance(_options.AbortWait);
        await running;

        var since = _clock.GetUtcNow();
        await AdvanceUntilAsync(() => dispatcher.Aborter.Waiting == 0);

        Assert.True(_clock.GetUtcNow() - since >= _options.AbortGiveUpAfter, "not before its time");
    }

    [Fact]
    public async Task A_decode_that_must_not_be_aborted_in_a_transfer_is_told_later_and_the_prefill_at_once()
    {
        _options.DecodeAbortDelay = TimeSpan.FromSeconds(3);
        using var gone = new CancellationTokenSource();
        _engines.Answer = (call, token) => call.IsAbort ? new(ScriptedUpstream.Good(call)) : ScriptedUpstream.SilenceAsync(token);
        var running = RunAsync(gone);
        await gone.CancelAsync();

        await running;

        Assert.All(_engines.Aborts, abort => Assert.True(abort.IsPrefill));
        await AdvanceAsync(TimeSpan.FromSeconds(2.9));
        Assert.All(_engines.Aborts, abort => Assert.True(abort.IsPrefill));
        await AdvanceUntilAsync(() => _engines.Aborts.Any(abort => !abort.IsPrefill));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_reset_of_an_idle_connection_is_charged_to_nobody_and_costs_no_retry(bool prefill)
    {
        // One stale connection, then a real failure, and the request has its one retry left for that.
        var failures = new Queue<UpstreamException>([Stale, Reset]);
        _engines.Answer = (call, token) => call.IsPrefill == prefill && !call.IsAbort && failures.TryDequeue(out var failure)
            ? throw failure
            : call.IsAbort || failures.Count == 0 && Attempts() == 3 ? new(ScriptedUpstream.Good(call))
            : ScriptedUpstream.SilenceAsync(token);

        var report = await RunAsync();

        Assert.True(report.Verdict!.IsSuccess);
        Assert.Equal(3, report.Attempts.Count);
        Assert.Equal((Blame.None, prefill ? Blame.Prefill : Blame.Decode), (
            report.Attempts[0].Verdict!.Blame, report.Attempts[1].Verdict!.Blame));
        Assert.Equal(LegOutcome.Neutral, _plane.OutcomeOf(report.Attempts[0].Lease, LegSide.Prefill));
        Assert.Equal(LegOutcome.Neutral, _plane.OutcomeOf(report.Attempts[0].Lease, LegSide.Decode));
        // The engine may have read it all the same.
        Assert.Contains(_engines.Aborts, a => a.Rid == report.Attempts[0].Rids[0] && a.IsPrefill == prefill);
        OnceInEachRoom();
    }

    [Fact]
    public async Task Idle_connections_that_break_again_and_again_use_up_the_retries()
    {
        _engines.Answer = (call, _) => call.IsAbort ? new(ScriptedUpstream.Good(call)) : throw Stale;

        var report = await RunAsync();

        Assert.Equal(2 + _options.MaxRetries, report.Attempts.Count);
        Assert.Equal(503, report.Verdict!.Status);
        OnceInEachRoom();
    }

    [Fact]
    public async Task Retries_of_all_requests_together_are_a_share_of_the_traffic()
    {
        _options.RetryReserve = 2;
        _options.RetryShare = 0.1;
        _engines.Answer = (call, _) => call.IsAbort ? new(ScriptedUpstream.Good(call)) : throw Refused;
        var dispatcher = Dispatcher();

        for (var i = 0; i < 100; i++)
            await RunAsync(dispatcher: dispatcher);

        // The reserve, and a tenth of the requests that came when it was used up.
        Assert.InRange(dispatcher.Retries, 10, 12);
    }

    [Fact]
    public async Task A_retry_avoids_the_engine_that_failed_and_keeps_the_one_that_did_not()
    {
        _engines.Answer = (call, token) => call is { IsAbort: false, IsPrefill: false, Engine: "d1" }
            ? throw Refused
            : call.IsAbort || Attempts() > 1 ? new(ScriptedUpstream.Good(call)) : ScriptedUpstream.SilenceAsync(token);

        await RunAsync();

        Assert.Equal(["p1|d1", "p0|d0"], _plane.Leases.Select(l => $"{l.Prefill!.Url.Host}|{l.Decode.Url.Host}"));
        var retry = _plane.Requests.Last();
        Assert.Equal((default, _plane.Leases.First().Decode.Id, 1), (retry.AvoidPrefill, retry.AvoidDecode, retry.Attempt));
    }

    [Fact]
    public async Task An_engine_that_asks_for_a_pause_is_not_tried_again_before_its_end()
    {
        var plane = new FixedControlPlane([Worker("p0", WorkerRole.Prefill, 0), Worker("d0", WorkerRole.Decode, 1)]);
        _engines.Answer = (call, token) => call.IsAbort || Attempts() > 1
            ? new(ScriptedUpstream.Good(call))
            : call.IsPrefill ? ScriptedUpstream.SilenceAsync(token)
            : new(ScriptedUpstream.Reply(503, "{}", TimeSpan.FromSeconds(7)));
        var running = RunAsync(dispatcher: Dispatcher(plane));
        await Stage.UntilAsync(() => plane.Leases.Count == 2 && plane.OpenLegs == 0);

        await AdvanceAsync(TimeSpan.FromSeconds(6.9));
        Assert.Equal(1, Attempts());
        await AdvanceUntilAsync(() => running.IsCompleted);

        Assert.True((await running).Verdict!.IsSuccess);
    }

    [Fact]
    public async Task A_request_whose_time_is_over_is_not_retried()
    {
        _options.RequestTimeout = TimeSpan.FromSeconds(10);
        _engines.Answer = (call, _) =>
        {
            if (call.IsAbort)
                return new(ScriptedUpstream.Good(call));
            _clock.Advance(TimeSpan.FromSeconds(10));
            throw Refused;
        };

        Assert.Single((await RunAsync()).Attempts);
    }

    private static WorkerSnapshot Worker(string host, WorkerRole role, int slot) => new()
    {
        Id = new WorkerId(host),
        Url = new Uri($"http://{host}:30000"),
        Role = role,
        Phase = WorkerPhase.Ready,
        Epoch = 1,
        Slot = slot,
        Facts = new WorkerFacts { DpSize = 1 },
        BootstrapHost = host,
        BootstrapPort = 8998,
    };

    private RequestDispatcher Dispatcher(FixedControlPlane? plane = null) =>
        new(plane ?? _plane, _engines, new RidSource(1), new LiveRids(), _options, _clock);

    private int Attempts() => _engines.Calls.Where(c => !c.IsAbort).Select(c => c.Rid).Distinct().Count();

    private void OnceInEachRoom() => Assert.All(
        _engines.Calls.Where(c => !c.IsAbort).GroupBy(c => (c.Room, c.IsPrefill)), sent => Assert.Single(sent));

    /// <summary>Moves the clock in small steps, and lets what they wake run in between.</summary>
    private async Task AdvanceAsync(TimeSpan by)
    {
        var step = TimeSpan.FromMilliseconds(100);
        for (var moved = TimeSpan.Zero; moved < by; moved += step)
        {
            _clock.Advance(step);
            for (var i = 0; i < 10; i++)
                await Task.Yield();
        }
    }

    /// <summary>What is woken may be slow to run and to wait again, so the clock goes on until it is so.</summary>
    private async Task AdvanceUntilAsync(Func<bool> condition)
    {
        var patience = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(20), "it never came");
            await AdvanceAsync(TimeSpan.FromMilliseconds(100));
        }
    }

    private async Task<DispatchReport> RunAsync(CancellationTokenSource? client = null, RequestDispatcher? dispatcher = null)
    {
        var bytes = Encoding.UTF8.GetBytes("""{"text":"hello"}""");
        var shape = new RequestShape();
        Assert.True(RequestScanner.TryScan(bytes, Dialect.Generate, new ScanLimits(), shape, out _));
        using var body = SharedBody.CopyOf(bytes);
        var call = new DispatchCall { Path = "/generate", Body = body, Shape = shape, Pair = new PairRequest() };
        return (await (dispatcher ?? Dispatcher()).RunAsync(call, new NullSink(), client?.Token ?? Stage.Token))[0];
    }

    private sealed class NullSink : IAnswerSink
    {
        public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) => default;

        public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken) => default;

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => default;

        public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken) => default;

        public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken) => default;
    }
}
