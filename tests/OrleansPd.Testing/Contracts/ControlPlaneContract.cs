using OrleansPd.Core.Admin;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;
using Xunit;

namespace OrleansPd.Testing.Contracts;

/// <summary>
/// What every control plane promises to the gateway, in one process or in a cluster. A suite of a host derives from this and says
/// how the host is started; engines are <see cref="FakeProbe"/>'s.
/// </summary>
public abstract class ControlPlaneContract : IAsyncDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);
    private IControlPlaneHost? _host;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected FakeProbe Engines { get; } = new();

    protected IControlPlane Plane => _host!.Plane;

    /// <summary>Starts the host; it need not have seen any engine when the task completes.</summary>
    protected abstract Task<IControlPlaneHost> StartHostAsync(ControlPlaneOptions options, IEngineProbe engines);

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_lease_names_a_usable_pair_and_a_fresh_room_that_fits_its_rank()
    {
        await StartAsync(["p"], ["d"], ranks: 4);
        var rooms = new HashSet<long>();
        for (var i = 0; i < 8; i++)
        {
            var lease = await TakeAsync(new PairRequest { Items = i % 2 + 1 });
            Assert.Equal((WorkerRole.Prefill, WorkerRole.Decode), (lease.Prefill!.Role, lease.Decode.Role));
            Assert.Equal(i % 2 + 1, lease.Rooms.Length);
            Assert.All(lease.Rooms.ToArray(), room =>
            {
                Assert.True(room > 0 && rooms.Add(room), $"room {room}");
                Assert.Equal(lease.PrefillRank, room % 4);
            });
            End(lease);
        }
    }

    [Fact]
    public async Task No_rank_is_given_more_than_its_slots_whoever_asks_at_the_same_time()
    {
        await StartAsync(["p0", "p1"], ["d0", "d1"], slots: 3, ranks: 2);
        var all = new List<PairLease>();
        for (var i = 0; i < 12; i++)
            all.Add(await TakeAsync());
        Assert.All(all.GroupBy(l => (l.Decode.Id, l.DecodeRank)), g => Assert.Equal(3, g.Count()));
        await RefusedAsync(RefusalReason.QueueTimeout);
        all.ForEach(l => End(l));

        var held = new Dictionary<(WorkerId, int), int>();
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, 24).Select(_ => Task.Run(
            async () =>
            {
                for (var i = 0; i < 50; i++)
                {
                    var lease = await TakeAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(30) });
                    Count(lease, 1);
                    await Task.Yield();
                    Count(lease, -1);
                    End(lease);
                }
            },
            Token)));
        Assert.InRange(most, 1, 3);
        Assert.All(held.Values, left => Assert.Equal(0, left));

        void Count(PairLease lease, int by)
        {
            lock (held)
            {
                var key = (lease.Decode.Id, lease.DecodeRank);
                held[key] = held.GetValueOrDefault(key) + by;
                most = Math.Max(most, held[key]);
            }
        }
    }

    [Fact]
    public async Task What_a_leg_held_is_free_when_that_leg_ends_and_only_once()
    {
        await StartAsync(["p"], ["d"], slots: 1);
        var lease = await TakeAsync();
        Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded);
        await RefusedAsync(RefusalReason.QueueTimeout); // decode still runs
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Failed);
        var next = await TakeAsync();
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
        await RefusedAsync(RefusalReason.QueueTimeout); // reports of an old lease free nothing of the new one
        End(next);
    }

    [Fact]
    public async Task Who_waits_gets_what_comes_free_in_order()
    {
        await StartAsync(["p"], ["d"], slots: 1);
        var lease = await TakeAsync();
        var first = WaitAsync(30);
        var second = WaitAsync(30);
        Assert.False(first.IsCompleted || second.IsCompleted);
        End(lease);
        var granted = (await first.WaitAsync(TimeSpan.FromSeconds(30), Token)).Lease!;
        Assert.False(second.IsCompleted);
        End(granted);
        End((await second.WaitAsync(TimeSpan.FromSeconds(30), Token)).Lease!);
    }

    [Fact]
    public async Task A_wait_that_cannot_be_met_is_refused_at_its_deadline_with_a_time_to_come_again()
    {
        await StartAsync(["p"], ["d"], slots: 1);
        var lease = await TakeAsync();
        var waiting = WaitAsync(5);
        _host!.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(waiting.IsCompleted);
        _host.Advance(TimeSpan.FromSeconds(0.2));
        var refusal = (await waiting.WaitAsync(TimeSpan.FromSeconds(30), Token)).Refusal!;
        Assert.Equal(RefusalReason.QueueTimeout, refusal.Reason);
        Assert.InRange(refusal.RetryAfter!.Value.TotalSeconds, 1, 60);
        End(lease);
        End(await TakeAsync()); // it left no trace
    }

    [Fact]
    public async Task A_full_queue_refuses_at_once()
    {
        await StartAsync(["p"], ["d"], slots: 1, change: o => o.QueueSize = 1);
        var lease = await TakeAsync();
        var waiting = WaitAsync(30);
        var refusal = (await WaitAsync(30).WaitAsync(TimeSpan.FromSeconds(30), Token)).Refusal!;
        Assert.Equal(RefusalReason.QueueFull, refusal.Reason);
        Assert.NotNull(refusal.RetryAfter);
        End(lease);
        End((await waiting).Lease!);
    }

    [Fact]
    public async Task Who_leaves_while_waiting_holds_nothing()
    {
        await StartAsync(["p"], ["d"], slots: 1);
        var lease = await TakeAsync();
        using var gone = new CancellationTokenSource();
        var left = Plane.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(30) }, gone.Token).AsTask();
        Assert.False(left.IsCompleted);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        End(lease);
        End(await TakeAsync());
    }

    [Fact]
    public async Task A_worker_that_drains_gets_nothing_new_and_keeps_what_it_has()
    {
        await StartAsync(["p"], ["d0", "d1"]);
        var lease = await TakeAsync();
        var answer = await _host!.Admin.RemoveAsync(lease.Decode.Id, force: false, Token);
        Assert.Null(answer.Problem);
        Assert.False(answer.Worker!.Safety.IsSafe, answer.Worker.Safety.ToString());
        for (var i = 0; i < 4; i++)
        {
            var other = await TakeAsync();
            Assert.NotEqual(lease.Decode.Id, other.Decode.Id);
            End(other);
        }
        End(lease);
        await UntilAsync(() => Plane.Fleet.Workers.All(w => w.Id != lease.Decode.Id));
        for (var i = 0; i < 300; i++) // 30 s: whoever named it at the start does not bring it back
        {
            _host.Advance(Step);
            await Task.Delay(1, Token);
        }
        Assert.DoesNotContain(Plane.Fleet.Workers, w => w.Id == lease.Decode.Id);
    }

    [Fact]
    public async Task Pools_tell_what_they_have_and_what_is_wanted()
    {
        Engines.Up("q");
        await StartAsync(["p"], ["d0", "d1"], change: o =>
            o.Workers.Add(Spec("q", WorkerRole.Regular) with { Model = "org/other" }));
        Assert.Equal(
            [("prefill/-", null, 1, 1), ("decode/-", null, 2, 2), ("regular/org/other", null, 1, 1)], await PoolsAsync());
        Assert.Equal((5, 2, 3), await ScaleAsync(new(WorkerRole.Decode, null), 5));
        Assert.Equal((0, 1, 0), await ScaleAsync(new(WorkerRole.Prefill, null), 0)); // prefill and decode apart
        Assert.Equal((7, 0, 7), await ScaleAsync(new(WorkerRole.Regular, "not/there yet"), 7));
        Assert.Equal(
            [("prefill/-", 0, 1, 1), (
                "decode/-", 5, 2, 2), ("regular/not/there yet", 7, 0, 0), ("regular/org/other", null, 1, 1)],
            await PoolsAsync());
        Assert.True(Plane.Fleet.IsReady, Plane.Fleet.WhyNotReady); // a wish stops nobody
        Assert.Equal((null, 0, 0), await ScaleAsync(new(WorkerRole.Regular, "not/there yet"), null));
        Assert.Equal((null, 2, 0), await ScaleAsync(new(WorkerRole.Decode, null), null));
        Assert.Equal([("prefill/-", 0, 1, 1), ("decode/-", null, 2, 2), ("regular/org/other", null, 1, 1)], await PoolsAsync());
    }

    [Theory]
    [InlineData(-1, false, "m")]
    [InlineData(10_001, false, "m")]
    [InlineData(null, true, "m")]
    [InlineData(1, false, " ")]
    public async Task A_wish_that_makes_no_sense_changes_nothing(int? wanted, bool drain, string model)
    {
        await StartAsync(["p"], ["d"]);
        await ScaleAsync(new(WorkerRole.Decode, "m"), 3);
        var before = await PoolsAsync();
        var answer = await _host!.Admin.ScaleAsync(new PoolTarget(new(WorkerRole.Decode, model), wanted, drain), Token);
        Assert.Equal(AdminProblem.Invalid, answer.Problem);
        Assert.NotEmpty(answer.Message!);
        Assert.Equal(before, await PoolsAsync());
    }

    [Fact]
    public async Task Surplus_workers_are_drained_where_that_is_wished_and_end_what_they_have()
    {
        await StartAsync(["p"], ["d0", "d1", "d2"]);
        var held = await TakeAsync();
        var answer = await _host!.Admin.ScaleAsync(new PoolTarget(new(WorkerRole.Decode, null), 0, DrainSurplus: true), Token);
        Assert.Null(answer.Problem);
        Assert.Equal(3, answer.Drained.Length);
        Assert.Equal((0, 3, 0), (answer.Pool!.Present, answer.Pool.Draining, answer.Pool.Surplus));
        await UntilAsync(() => Plane.Fleet.Decode is [{ Phase: WorkerPhase.Draining } last] && last.Id == held.Decode.Id);
        End(held);
        await UntilAsync(() => Plane.Fleet.Decode.IsEmpty);
        Assert.Equal([("prefill/-", null, 1, 1), ("decode/-", 0, 0, 0)], await PoolsAsync());
    }

    [Fact]
    public async Task A_breaker_opens_for_the_side_at_fault_alone_and_closes_after_one_good_trial_at_a_time()
    {
        await StartAsync(["p"], ["d0", "d1"], change: o =>
        {
            o.CbFailureThreshold = 3;
            o.CbSuccessThreshold = 2;
            o.CbTimeoutDurationSecs = 5;
        });
        var bad = Plane.Fleet.Decode[0].Id;
        Engines.GenerationProblem = "still broken";
        for (var failures = 0; failures < 3;)
        {
            var lease = await TakeAsync(new PairRequest { AvoidDecode = Plane.Fleet.Decode[1].Id });
            Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded);
            Plane.LegEnded(lease, LegSide.Decode, lease.Decode.Id == bad ? LegOutcome.Failed : LegOutcome.Succeeded);
            failures += lease.Decode.Id == bad ? 1 : 0;
        }
        await UntilAsync(() => SnapshotOf(bad).Phase == WorkerPhase.Broken);
        Assert.Equal(WorkerPhase.Ready, Plane.Fleet.Prefill[0].Phase);
        End(await TakeAsync(), notOn: bad);

        // Half open: trials come one at a time, however long the first takes (its lease apart).
        var before = Engines.Trials.Count;
        var release = new TaskCompletionSource();
        Engines.GenerationsWaitFor = release.Task;
        await UntilAsync(() => Engines.Trials.Count > before);
        for (var i = 0; i < 100; i++)
        {
            _host!.Advance(Step);
            await Task.Delay(1, Token);
        }
        Assert.Equal(before + 1, Engines.Trials.Count);
        Assert.Equal(WorkerPhase.Broken, SnapshotOf(bad).Phase);
        Engines.GenerationProblem = null;
        release.SetResult();
        await UntilAsync(() => SnapshotOf(bad).Phase == WorkerPhase.Ready);
        Assert.InRange(Engines.Trials.Count, before + 2, before + 3);
    }

    [Fact]
    public async Task Failures_that_are_nobodys_fault_open_nothing()
    {
        await StartAsync(["p"], ["d"], change: o => o.CbFailureThreshold = 2);
        for (var i = 0; i < 10; i++)
        {
            var lease = await TakeAsync();
            Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
            Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
        }
        Assert.True(Plane.Fleet.IsReady, Plane.Fleet.WhyNotReady);
    }

    [Fact]
    public async Task The_first_rank_registered_for_a_room_stands_until_its_time_is_over()
    {
        await StartAsync(["p"], ["d"], change: o => o.RoomTtlSecs = 120);
        Assert.Equal(RankRegistration.Stored, await Plane.RegisterRankAsync(17, 3, Token));
        Assert.Equal(RankRegistration.Conflict, await Plane.RegisterRankAsync(17, 2, Token));
        _host!.Advance(TimeSpan.FromSeconds(100));
        Assert.Equal(RankRegistration.Stored, await Plane.RegisterRankAsync(17, 3, Token)); // the same again restarts its age
        _host.Advance(TimeSpan.FromSeconds(100));
        await OwnersAsync([3, -1], 17, 18);
        _host.Advance(TimeSpan.FromSeconds(30));
        await OwnersAsync([-1, -1], 17, 18);
        Assert.Equal(RankRegistration.Stored, await Plane.RegisterRankAsync(17, 2, Token));
        Assert.Equal(1, Plane.Rooms.Conflicts);
    }

    [Fact]
    public async Task The_room_of_a_live_lease_is_known_until_it_ends()
    {
        await StartAsync(["p"], ["d"], ranks: 4);
        var lease = await TakeAsync();
        _host!.Advance(TimeSpan.FromHours(1));
        await OwnersAsync([lease.PrefillRank], lease.Room);
        Assert.Equal(RankRegistration.Conflict, await Plane.RegisterRankAsync(lease.Room, (lease.PrefillRank + 1) % 4, Token));
        End(lease);
        await OwnersAsync([-1], lease.Room);
    }

    [Fact]
    public async Task A_new_process_behind_an_address_is_a_new_epoch_and_serves_by_itself()
    {
        await StartAsync(["p"], ["d"]);
        var lease = await TakeAsync();
        Engines.Down("d");
        await UntilAsync(() => !Plane.Fleet.IsReady);
        _host!.Advance(TimeSpan.FromHours(3));
        Engines.Up("d", identity: "seed=2");
        await UntilAsync(() => Plane.Fleet is { IsReady: true } fleet && fleet.Decode[0].Epoch == 2);
        for (var i = 0; i < 20; i++)
        {
            Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Failed); // of the former life
        }
        Assert.Equal(WorkerPhase.Ready, Plane.Fleet.Decode[0].Phase);
        Assert.Equal(2, (await TakeAsync()).Decode.Epoch);
    }

    [Fact]
    public async Task Where_nothing_is_usable_the_snapshot_and_the_refusal_say_what_is_missing()
    {
        await StartHostAsync(["p"], ["d"], _ => { });
        Assert.False(Plane.Fleet.IsReady);
        Assert.Contains("worker", Plane.Fleet.WhyNotReady);
        await RefusedAsync(RefusalReason.NoWorkers);
        Engines.Up("p");
        Engines.Up("d");
        await UntilAsync(() => Plane.Fleet.IsReady);
        Engines.Down("d");
        await UntilAsync(() => !Plane.Fleet.IsReady);
        Assert.Equal("no decode worker is ready", Plane.Fleet.WhyNotReady);
        var refusal = await RefusedAsync(RefusalReason.NoDecode);
        Assert.NotNull(refusal.RetryAfter);
        Assert.Equal(RefusalReason.UnknownModel, (await AskAsync(new PairRequest { Model = "other" })).Refusal!.Reason);
    }

    [Fact]
    public async Task Regular_workers_serve_their_model_alone_without_rooms()
    {
        Engines.Up("r");
        await StartHostAsync([], [], o => o.Workers.Add(Spec("r", WorkerRole.Regular)));
        await UntilAsync(() => Plane.Fleet.IsReady);
        var lease = await TakeAsync();
        Assert.True(lease.IsRegular);
        Assert.True(lease.Rooms.IsEmpty);
        Assert.Null(lease.DecodeTarget.BootstrapHost);
        Assert.Equal(RouteReason.OnlyRegular, lease.RouteExplanation.Route);
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
    }

    [Fact]
    public async Task Short_prompts_go_to_regular_workers_where_that_is_switched_on_and_nothing_else_does()
    {
        Engines.Up("r");
        await StartAsync(["p"], ["d"], change: o =>
        {
            o.PdMinUncachedTokens = 1000;
            o.Workers.Add(Spec("r", WorkerRole.Regular));
        });
        var (small, large) = (
            await TakeAsync(new PairRequest { PromptTokens = 10 }), await TakeAsync(new PairRequest { PromptTokens = 5000 }));
        Assert.Equal((RouteReason.ShortPrompt, RouteReason.Pair), (small.RouteExplanation.Route, large.RouteExplanation.Route));
        End(small);
        End(large);
        Engines.Down("d");
        await UntilAsync(() => Plane.Fleet.Decode[0].Phase == WorkerPhase.Registered);
        Assert.Equal(RefusalReason.NoDecode, (await AskAsync(new PairRequest { PromptTokens = 5000 })).Refusal!.Reason);
    }

    [Fact]
    public async Task What_cannot_run_on_a_pair_goes_to_a_regular_worker_and_holds_its_place()
    {
        Engines.Up("r", slots: 1);
        await StartAsync(["p"], ["d"], change: o => o.Workers.Add(Spec("r", WorkerRole.Regular)));
        var embedding = new PairRequest { OnlyRegular = true };
        var lease = await TakeAsync(embedding);
        Assert.True(lease.IsRegular);
        Assert.Equal(RefusalReason.QueueTimeout, (await AskAsync(embedding)).Refusal!.Reason);
        End(await TakeAsync()); // pairs are not held up
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
        Plane.LegEnded(await TakeAsync(embedding), LegSide.Decode, LegOutcome.Succeeded);
    }

    [Fact]
    public async Task Each_model_has_its_own_pools_and_policies()
    {
        foreach (var model in new[] { "a", "b" })
        {
            Engines.Up($"p{model}", model: model);
            Engines.Up($"d{model}", model: model);
        }
        await StartHostAsync(["pa", "pb"], ["da", "db"], o => o.ModelPolicy.Add("b=round_robin,random"));
        await UntilAsync(() => Plane.Fleet.Workers is { Length: 4 } workers && workers.All(w => w.Phase == WorkerPhase.Ready));
        var (a, b) = (await TakeAsync(new PairRequest { Model = "a" }), await TakeAsync(new PairRequest { Model = "b" }));
        Assert.Equal(("pa", "da"), (a.Prefill!.Url.Host, a.Decode.Url.Host));
        Assert.Equal(("least_load", "least_load"), (a.RouteExplanation.PrefillPolicy, a.RouteExplanation.DecodePolicy));
        Assert.Equal(("pb", "db"), (b.Prefill!.Url.Host, b.Decode.Url.Host));
        Assert.Equal(("round_robin", "random"), (b.RouteExplanation.PrefillPolicy, b.RouteExplanation.DecodePolicy));
        End(a);
        End(b);
    }

    [Fact]
    public async Task An_adapter_draws_requests_to_the_workers_that_have_it_as_soon_as_they_are_read_again()
    {
        await StartAsync(["p0", "p1"], ["d0", "d1"], change: o => o.DescribeIntervalSecs = 3600);
        foreach (var host in new[] { "p1", "d1" })
        {
            Engines.Up(host, adapters: "poet");
            await _host!.Admin.ReadAgainAsync(Plane.Fleet.Workers.Single(w => w.Url.Host == host).Id, Token);
        }
        await UntilAsync(() => Plane.Fleet.Workers.Count(w => w.Facts.AdapterNames == "poet") == 2);
        for (var i = 0; i < 4; i++)
        {
            var byName = i % 2 == 0;
            var poem = await TakeAsync(new PairRequest { Model = byName ? "m:poet" : "m", Adapters = byName ? null : "poet" });
            Assert.Equal(("p1", "d1"), (poem.Prefill!.Url.Host, poem.Decode.Url.Host));
            End(poem);
        }
        var seen = new HashSet<string>();
        for (var i = 0; i < 4; i++)
        {
            var plain = await TakeAsync();
            seen.Add(plain.Decode.Url.Host);
            End(plain);
        }
        Assert.Equal(2, seen.Count);
    }

    [Fact]
    public async Task A_request_waits_a_while_for_a_worker_that_has_just_gone_away_and_not_for_one_that_never_was()
    {
        await StartAsync(["p"], ["d"], change: o => o.ReturnWaitSecs = 30);
        Engines.Down("d");
        await UntilAsync(() => Plane.Fleet.Decode[0].Phase == WorkerPhase.Registered);
        var waiting = WaitAsync(60);
        Assert.False(waiting.IsCompleted);
        await RefusedAsync(RefusalReason.NoDecode); // who does not want to wait is told at once
        Engines.Up("d");
        await UntilAsync(() => waiting.IsCompleted);
        End((await waiting).Lease!);

        Engines.Down("d");
        await UntilAsync(() => Plane.Fleet.Decode[0].Phase == WorkerPhase.Registered);
        waiting = WaitAsync(60);
        _host!.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(RefusalReason.NoDecode, (await waiting.WaitAsync(TimeSpan.FromSeconds(30), Token)).Refusal!.Reason);
        Assert.Equal(RefusalReason.NoDecode, (await WaitAsync(60).WaitAsync(TimeSpan.FromSeconds(30), Token)).Refusal!.Reason);
    }

    [Fact]
    public async Task A_lease_says_why_this_pair()
    {
        await StartAsync(["p"], ["d"], change: o => o.Policy = "round_robin");
        var lease = await TakeAsync(new PairRequest { PromptTokens = 77 });
        Assert.Contains("round_robin", lease.Why);
        Assert.Contains("77 tokens", lease.Why);
    }

    private async Task<(string, int?, int, int)[]> PoolsAsync() =>
        [.. (await _host!.Admin.PoolsAsync(Token)).Select(p => (p.Name.ToString(), p.TargetSize, p.Present, p.Ready))];

    private async Task<(int? TargetSize, int Present, int Missing)> ScaleAsync(PoolName pool, int? wanted)
    {
        var answer = await _host!.Admin.ScaleAsync(new PoolTarget(pool, wanted), Token);
        Assert.True(answer.Pool is not null, answer.Message);
        Assert.Empty(answer.Drained);
        return (answer.Pool.TargetSize, answer.Pool.Present, answer.Pool.Missing);
    }

    private static WorkerSpec Spec(string host, WorkerRole role) => new() { Url = new Uri($"http://{host}:30000"), Role = role };

    private async Task StartHostAsync(string[] prefill, string[] decode, Action<ControlPlaneOptions> change)
    {
        var options = new ControlPlaneOptions { Policy = "least_load" };
        options.Workers.AddRange(prefill.Select(host => Spec(host, WorkerRole.Prefill)));
        options.Workers.AddRange(decode.Select(host => Spec(host, WorkerRole.Decode)));
        change(options);
        _host = await StartHostAsync(options, Engines);
    }

    private async Task StartAsync(
        string[] prefill, string[] decode, int slots = 4, int ranks = 1, Action<ControlPlaneOptions>? change = null)
    {
        foreach (var host in prefill.Concat(decode))
            Engines.Up(host, slots: slots, ranks: ranks);
        await StartHostAsync(prefill, decode, change ?? (_ => { }));
        await UntilAsync(() =>
            Plane.Fleet.Workers is { Length: > 0 } workers && workers.All(w => w.Phase == WorkerPhase.Ready) && HasPlaces());
    }

    /// <summary>The place of a worker's last trial may still be on its way back, and tests here do not wait for places.</summary>
    private bool HasPlaces()
    {
        var asked = AskAsync();
        if (!asked.IsCompleted || asked.Result is not { Lease: { } lease })
        {
            return asked is
            {
                IsCompleted: true, Result.Refusal.Reason: not (
                RefusalReason.QueueTimeout or RefusalReason.QueueFull)
            };
        }
        Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Neutral);
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
        return true;
    }

    private ValueTask<PairGrant> AskAsync(PairRequest? request = null) => Plane.AcquireAsync(request ?? new PairRequest(), Token);

    private Task<PairGrant> WaitAsync(double seconds) =>
        Plane.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(seconds) }, Token).AsTask();

    private async Task<PairLease> TakeAsync(PairRequest? request = null)
    {
        var grant = await AskAsync(request);
        Assert.True(grant.Lease is not null, grant.Refusal?.ToString());
        return grant.Lease;
    }

    private async Task<Refusal> RefusedAsync(RefusalReason reason)
    {
        var grant = await AskAsync();
        Assert.True(grant.Refusal?.Reason == reason, grant.Refusal?.ToString() ?? grant.Lease?.Why);
        return grant.Refusal!;
    }

    private void End(PairLease lease, WorkerId notOn = default)
    {
        Assert.NotEqual(notOn, lease.Decode.Id);
        Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded);
        Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
    }

    private async Task OwnersAsync(int[] expected, params long[] rooms)
    {
        var ranks = new int[rooms.Length];
        await Plane.QueryRanksAsync(rooms, ranks, Token);
        Assert.Equal(expected, ranks);
    }

    private WorkerSnapshot SnapshotOf(WorkerId id) => Plane.Fleet.Workers.Single(w => w.Id == id);

    /// <summary>Moves the time in small steps until what runs on other threads has got there.</summary>
    private async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 20_000 && !condition(); i++)
        {
            _host!.Advance(Step);
            await Task.Delay(1, Token); // a real pause: without it hours could pass while another thread gets no turn
        }
        Assert.True(condition(), $"never came: {Plane.Fleet.WhyNotReady}; {string.Join(", ", Plane.Fleet.Workers)}");
    }
}
