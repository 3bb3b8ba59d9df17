using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Chaos;

/// <summary>
/// All faults in a random order against a mixed load. After each round the load rests and the faults end: then nothing may be
/// left on the gateway or on an engine. At no time may a client read a text that the model did not say.
/// <c>ORLEANSPD_SOAK_SECONDS</c> sets its length (default 60), <c>ORLEANSPD_SEED</c> its seed: odd ones resume streams, and with
/// those that three divides prefills stand behind facades and may be back in no time.
/// </summary>
public partial class SoakTests(ITestOutputHelper output)
{
    private const int Clients = 16;
    private static readonly TimeSpan IdleBound = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan ReadyBound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromMilliseconds(400);

    // Longer than the interval at which the gateway reads its workers: before that it may not know that one has been restarted.
    private static readonly TimeSpan SettledFor = TimeSpan.FromSeconds(3);

    private readonly SoakReport _report = new();
    private readonly ConcurrentQueue<string> _log = new();
    private readonly List<SimulatedEngine> _engines = [];
    private long _requests;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_leaks_and_no_wrong_text_is_told_under_all_faults_at_once()
    {
        var seed = Setting("ORLEANSPD_SEED") ?? Random.Shared.Next(1, 1_000_000);
        var length = TimeSpan.FromSeconds(Setting("ORLEANSPD_SOAK_SECONDS") ?? 60);
        output.WriteLine($"seed {seed} (repeat with ORLEANSPD_SEED={seed}), {length.TotalSeconds} s");
        var random = new Random(seed);
        await StartEnginesAsync(3, EngineRole.Prefill, [1, 2, 4]);
        await StartEnginesAsync(3, EngineRole.Decode, [1, 2, 3]);
        var facade = seed % 3 == 0;
        await using var gateway = await StandaloneGateway.StartAsync(
            Options(_engines, resume: seed % 2 == 1, facade), log => log.AddProvider(new ErrorLog(_log)), Token);
        using var client = new SoakClient(gateway.Url, _report, TimeSpan.FromSeconds(30));
        await AllReadyAsync(gateway);
        var monkey = new ChaosMonkey(_engines, facade ? TimeSpan.Zero : 5 * Heartbeat, random, _report);
        var clock = Stopwatch.StartNew();
        try
        {
            while (clock.Elapsed < length && _report.Violations.Count == 0)
            {
                var round = clock.Elapsed + TimeSpan.FromMilliseconds(random.Next(4000, 9000));
                using var rest = new CancellationTokenSource();
                var load = Enumerable.Range(0, Clients).Select(_ => LoadAsync(client, new Random(random.Next()), rest.Token))
                    .ToArray();
                while (clock.Elapsed < round)
                {
                    await Task.Delay(await monkey.StepAsync(clock.Elapsed), Token);
                    monkey.Inspect();
                    CheckGauges(gateway);
                }
                await monkey.CalmAsync(clock.Elapsed);
                var calm = clock.Elapsed;
                await rest.CancelAsync();
                await Task.WhenAll(load);
                await monkey.CalmAsync(clock.Elapsed); // a request may have been marked to take its engine with it
                await IdleAsync(gateway);
                await RecoveredAsync(gateway, clock, calm);
                monkey.Inspect();
            }
            await AllReadyAsync(gateway);
            await LastAsync(client, random);
            await IdleAsync(gateway);
            monkey.Inspect();
            CheckAccounts(gateway);
        }
        finally
        {
            output.WriteLine(_report.Table(Reasons(gateway)));
            output.WriteLine($"{gateway.Dispatcher.Retries} retries, {gateway.Dispatcher.Resumed} streams resumed, "
                + $"{gateway.Dispatcher.Aborter.Sent} aborts, {gateway.Dispatcher.Aborter.Failed} of which failed");
            foreach (var engine in _engines)
                await engine.DisposeAsync();
        }
        foreach (var line in _log)
            _report.Violation("log: " + line);
        Assert.True(_report.Violations.Count == 0, $"seed {seed}:\n{string.Join('\n', _report.Violations.Take(20))}");
    }

    private static GatewayOptions Options(IEnumerable<SimulatedEngine> engines, bool resume, bool facade) => new()
    {
        Host = "127.0.0.1",
        Port = 0,
        FirstOutputTimeoutSecs = 2,
        StreamIdleTimeoutSecs = 2,
        RequestTimeoutSecs = 15,
        ResumeStreams = resume,
        ControlPlane = new ControlPlaneOptions
        {
            BootstrapFacade = facade,
            FacadeHost = facade ? "127.0.0.1" : null,
            CbTimeoutDurationSecs = 1,
            CbHalfOpenTimeoutSecs = 5,
            CbWindowDurationSecs = 10,
            DescribeIntervalSecs = 2,
            HealthIntervalSecs = 2,
            HealthTimeoutSecs = 2,
            LivenessIntervalSecs = 1,
            LivenessTimeoutSecs = 1,
            // Twice what the decode engines below need to forget a dead prefill.
            PrefillRestartHoldSecs = 2,
            QueueTimeoutSecs = 5,
            ReadyTimeoutSecs = 3,
            StallBrokenSecs = 4,
            StallSuspectSecs = 2,
            Workers = [.. engines.Select(engine => new WorkerSpec
            {
                Url = engine.Url,
                Role = engine.Options.Role == EngineRole.Prefill ? WorkerRole.Prefill : WorkerRole.Decode,
            })],
        },
    };

    private async Task StartEnginesAsync(int count, EngineRole role, int[] ranks)
    {
        for (var i = 0; i < count; i++)
        {
            _engines.Add(await SimulatedEngine.StartAsync(new SimulatedEngineOptions
            {
                Role = role,
                DpSize = ranks[i],
                Speed = 5,
                DisconnectPoll = TimeSpan.FromMilliseconds(500),
                HeartbeatInterval = Heartbeat,
                BootstrapRetry = TimeSpan.FromMilliseconds(100),
                HealthTimeout = TimeSpan.FromSeconds(2),
            }, ct: Token));
        }
    }

    private async Task LoadAsync(SoakClient client, Random random, CancellationToken rest)
    {
        while (!rest.IsCancellationRequested)
        {
            var number = Interlocked.Increment(ref _requests);
            var outcome = await client.RunAsync(SoakRequest.Random(random, $"mine-{number:x8}-"), $"soak-{number}");
            // Who is told that nobody can serve now does not ask again at once.
            await Task.Delay(outcome == "ok" ? random.Next(0, 40) : outcome.StartsWith("no_", StringComparison.Ordinal)
                ? random.Next(100, 400) : random.Next(20, 80), Token);
        }
    }

    /// <summary>After all faults have ended 100 further requests succeed.</summary>
    private async Task LastAsync(SoakClient client, Random random)
    {
        var requests = Enumerable.Range(0, 100)
            .Select(i => SoakRequest.Random(random, $"last-{i}-") with { LeaveAfter = null, LeaveAfterEvents = null }).ToArray();
        await Parallel.ForAsync(0, requests.Length,
            new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = Token }, async (i, _) =>
        {
            Interlocked.Increment(ref _requests);
            var outcome = await client.RunAsync(requests[i], $"last-{i}");
            Check(outcome == "ok", $"last-{i}: {outcome} after all faults had ended: {requests[i].Body}");
        });
    }

    /// <summary>
    /// All workers are in use again, without anybody's help; how long that took is counted from the end of the faults.
    /// </summary>
    private async Task RecoveredAsync(GatewayServer gateway, Stopwatch clock, TimeSpan calm)
    {
        while (gateway.ControlPlane.Fleet.Workers.Where(w => !w.IsPairable).ToArray() is { Length: > 0 } late)
        {
            if (clock.Elapsed - calm > ReadyBound)
            {
                Check(false, $"not ready {ReadyBound} after the faults: {string.Join("; ", late.Select(w => $"{w} ({w.Reason})"))}");
                return;
            }
            await Task.Delay(10, Token);
        }
        var took = clock.Elapsed - calm;
        _report.LongestToRecover = took > _report.LongestToRecover ? took : _report.LongestToRecover;
    }

    private async Task AllReadyAsync(GatewayServer gateway)
    {
        var clock = Stopwatch.StartNew();
        var since = clock.Elapsed;
        while (clock.Elapsed - since < SettledFor)
        {
            var late = gateway.ControlPlane.Fleet.Workers.Where(w => w.Phase != WorkerPhase.Ready).ToArray();
            since = late.Length > 0 ? clock.Elapsed : since;
            if (clock.Elapsed > ReadyBound)
            {
                Check(false, $"not ready after {ReadyBound}: {string.Join("; ", late.Select(w => $"{w} ({w.Reason})"))}");
                return;
            }
            await Task.Delay(10, Token);
        }
        _report.LongestToReady = since > _report.LongestToReady ? since : _report.LongestToReady;
    }

    /// <summary>Waits until there was a moment at which nothing was left of any request.</summary>
    private async Task IdleAsync(GatewayServer gateway)
    {
        var clock = Stopwatch.StartNew();
        while (Leftovers(gateway) is { } left)
        {
            if (clock.Elapsed > IdleBound)
            {
                Check(false, $"left over after {IdleBound}: {left}");
                return;
            }
            await Task.Delay(10, Token);
        }
        _report.QuietChecks++;
        _report.LongestToIdle = clock.Elapsed > _report.LongestToIdle ? clock.Elapsed : _report.LongestToIdle;
    }

    private string? Leftovers(GatewayServer gateway)
    {
        var dispatcher = gateway.Dispatcher;
        var plane = (EmbeddedControlPlane)gateway.ControlPlane;
        var ours = (gateway.Metrics.Active, dispatcher.OpenPrefillLegs, dispatcher.OpenDecodeLegs, plane.Leases, plane.Waiting,
            dispatcher.LiveRids.Count, dispatcher.Aborter.Waiting);
        var theirs = _engines.Where(e => e.Stats is { } s && (s.LiveRequests, s.LiveKvTokens, s.Occupied) != (0, 0, 0))
            .Select(e =>
            $"{e.Options.Role} at {e.Port}: live {e.Stats.LiveRequests}, KV {e.Stats.LiveKvTokens}, slots {e.Stats.Occupied} "
                + $"(bootstrap {e.Stats.BootstrapQueue}, "
            + $"waiting {e.Stats.Waiting}, running {e.Stats.Running}, inflight {e.Stats.InflightQueue}, prealloc "
            + $"{e.Stats.PreallocQueue}, transfer {e.Stats.TransferQueue})");
        var engines = string.Join("; ", theirs);
        var open = gateway.Requests.Recent()
            .Where(r => r.Calls.Any(c => c.Attempts.Any(a => a.PrefillEndedAt == 0 && !a.Lease.IsRegular)))
            .Select(r => $"{r.Route} {r.Id} {string.Join(',', r.Calls.Select(c => c.Reason))}").Take(5);
        return ours == default && engines.Length == 0 ? null
            : $"gateway (active, prefill legs, decode legs, leases, waiting, rids, aborts) {ours} {string.Join("; ", open)}; engines {engines}";
    }

    private void CheckGauges(GatewayServer gateway)
    {
        var plane = (EmbeddedControlPlane)gateway.ControlPlane;
        Check(gateway.Metrics.Active is >= 0 and <= 4 * Clients,
            $"{gateway.Metrics.Active} active requests of {Clients} clients");
        Check(gateway.Dispatcher.OpenDecodeLegs >= 0 && gateway.Dispatcher.OpenPrefillLegs >= 0
            && plane.Leases >= 0, "a gauge below zero");
    }

    /// <summary>
    /// Each request that came is counted under one reason; those of clients that left at once may never have come.
    /// </summary>
    private void CheckAccounts(GatewayServer gateway)
    {
        var counted = Reasons(gateway).Sum(r => r.Count);
        Check(_report.Total == _requests, $"{_requests} requests were sent, {_report.Total} ended");
        Check(counted <= _requests && counted >= _requests - _report["left"],
            $"{counted} ends were counted for {_requests} requests, {_report["left"]} of which left");
        Check(Reasons(gateway).FirstOrDefault(r => r.Reason == "ok").Count >= _report["ok"], "more good answers than good ends");
        Check(Reasons(gateway).All(r => r.Reason is not ("internal_error" or "unknown")), "an internal error was counted");
    }

    private static List<(string Reason, long Count)> Reasons(GatewayServer gateway)
    {
        var text = new System.Text.StringBuilder();
        gateway.Metrics.Write(text);
        return [.. Counter().Matches(text.ToString())
            .GroupBy(m => m.Groups[1].Value, m => long.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture))
            .Select(g => (g.Key, g.Sum()))];
    }

    private void Check(bool holds, string otherwise)
    {
        if (!holds)
            _report.Violation(otherwise);
    }

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex("""orleanspd_gateway_requests_total\{.*reason="([^"]+)".*\} (\d+)""")]
    private static partial Regex Counter();
}
