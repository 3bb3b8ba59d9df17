using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;
using OrleansPd.Standalone;
using OrleansPd.Testing;

namespace OrleansPd.Gateway.Tests.Standalone;

public sealed class EmbeddedControlPlaneTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly FakeProbe _probe = new();
    private readonly EmbeddedControlPlane _plane;

    public EmbeddedControlPlaneTests()
    {
        var options = new ControlPlaneOptions { Policy = "least_load" };
        options.Workers.Add(new WorkerSpec { Url = new Uri("http://p:30000"), Role = WorkerRole.Prefill });
        options.Workers.Add(new WorkerSpec { Url = new Uri("http://d:30000"), Role = WorkerRole.Decode });
        _plane = EmbeddedControlPlane.Create(options, _probe, _clock, seed: 7, NullLogger.Instance);
    }

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    [Fact]
    public async Task Engines_that_are_up_are_ready_without_the_clock_moving()
    {
        _probe.Up("p");
        _probe.Up("d");
        await _plane.StartAsync(TestContext.Current.CancellationToken);
        await UntilAsync(() => _plane.Fleet.IsReady, move: TimeSpan.Zero);
        var trial = Assert.Single(_probe.Trials);
        Assert.True(trial.Room > 0);
        Assert.Equal("p", trial.DecodeTarget.BootstrapHost);
    }

    [Fact]
    public async Task A_gateway_may_start_before_its_engines_and_takes_them_back_however_long_they_were_away()
    {
        await _plane.StartAsync(TestContext.Current.CancellationToken);
        _clock.Advance(TimeSpan.FromMinutes(30));
        Assert.False(_plane.Fleet.IsReady);
        _probe.Up("p");
        _probe.Up("d");
        await UntilAsync(() => _plane.Fleet.IsReady);
        _probe.Down("d");
        await UntilAsync(() => !_plane.Fleet.IsReady);
        _clock.Advance(TimeSpan.FromHours(2));
        _probe.Up("d", identity: "seed=2");
        await UntilAsync(() => _plane.Fleet.IsReady);
        Assert.Equal(2, _plane.Fleet.Decode[0].Epoch);
    }

    [Fact]
    public async Task No_worker_is_ready_while_generations_fail()
    {
        _probe.GenerationProblem = "it failed";
        _probe.Up("p");
        _probe.Up("d");
        await _plane.StartAsync(TestContext.Current.CancellationToken);
        await UntilAsync(() => _probe.Trials.Count > 5);
        Assert.False(_plane.Fleet.IsReady);
        _probe.GenerationProblem = null;
        await UntilAsync(() => _plane.Fleet.IsReady);
    }

    [Fact]
    public async Task A_restart_between_failing_generations_is_noticed()
    {
        _probe.GenerationProblem = "the connection was lost";
        _probe.Up("p");
        _probe.Up("d");
        await _plane.StartAsync(TestContext.Current.CancellationToken);
        await UntilAsync(() => _probe.Trials.Count > 2);
        _probe.Up("p", identity: "seed=2"); // so quickly that no probe has missed it
        await UntilAsync(() => _plane.Fleet.Prefill[0].Epoch == 2);
    }

    [Fact]
    public async Task A_lease_completes_at_once_and_a_waiter_when_a_leg_ends()
    {
        await ReadyAsync(slots: 1);
        var first = _plane.AcquireAsync(new PairRequest(), TestContext.Current.CancellationToken);
        Assert.True(first.IsCompletedSuccessfully);
        var lease = (await first).Lease!;
        var second = _plane.AcquireAsync(
            new PairRequest { MaxWait = TimeSpan.FromSeconds(30) }, TestContext.Current.CancellationToken);
        Assert.False(second.IsCompleted);
        _plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded);
        _plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
        Assert.NotNull((await second).Lease);
    }

    [Fact]
    public async Task A_wait_ends_with_its_deadline_or_its_caller()
    {
        await ReadyAsync(slots: 1);
        _ = await _plane.AcquireAsync(new PairRequest(), TestContext.Current.CancellationToken);
        using var gone = new CancellationTokenSource();
        var left = _plane.AcquireAsync(new PairRequest { MaxWait = TimeSpan.FromSeconds(30) }, gone.Token).AsTask();
        var slow = _plane.AcquireAsync(
            new PairRequest { MaxWait = TimeSpan.FromSeconds(5) }, TestContext.Current.CancellationToken).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(RefusalReason.QueueTimeout, (await slow).Refusal!.Reason);
    }

    [Fact]
    public async Task Stopping_refuses_who_waits_and_who_comes()
    {
        await ReadyAsync(slots: 1);
        _ = await _plane.AcquireAsync(new PairRequest(), TestContext.Current.CancellationToken);
        var waiting = _plane.AcquireAsync(
            new PairRequest { MaxWait = TimeSpan.FromSeconds(30) }, TestContext.Current.CancellationToken);
        await _plane.StopAsync(TestContext.Current.CancellationToken);
        Assert.Equal(RefusalReason.ShuttingDown, (await waiting).Refusal!.Reason);
        Assert.Equal(RefusalReason.ShuttingDown, (
            await _plane.AcquireAsync(new PairRequest(), TestContext.Current.CancellationToken)).Refusal!.Reason);
    }

    [Fact]
    public async Task Ranks_of_rooms_are_kept_and_the_first_registration_stands()
    {
        var token = TestContext.Current.CancellationToken;
        Assert.Equal(RankRegistration.Stored, await _plane.RegisterRankAsync(17, 3, token));
        Assert.Equal(RankRegistration.Stored, await _plane.RegisterRankAsync(17, 3, token));
        Assert.Equal(RankRegistration.Conflict, await _plane.RegisterRankAsync(17, 2, token));
        var ranks = new int[2];
        await _plane.QueryRanksAsync(new long[] { 17, 18 }, ranks, token);
        Assert.Equal([3, -1], ranks);
        _clock.Advance(TimeSpan.FromSeconds(121));
        await _plane.QueryRanksAsync(new long[] { 17, 18 }, ranks, token);
        Assert.Equal([-1, -1], ranks);
    }

    private async Task ReadyAsync(int slots)
    {
        _probe.Up("p", slots: slots);
        _probe.Up("d", slots: slots);
        await _plane.StartAsync(TestContext.Current.CancellationToken);
        await UntilAsync(() => _plane.Fleet.IsReady, move: TimeSpan.Zero);
    }

    /// <summary>Moves the clock in small steps until the loops, which run on their own threads, have got there.</summary>
    private async Task UntilAsync(Func<bool> condition, TimeSpan? move = null)
    {
        for (var i = 0; i < 100_000 && !condition(); i++)
        {
            if (move is null)
                _clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }
        Assert.True(condition(), $"never came: {_plane.Fleet.WhyNotReady}; {string.Join(", ", _plane.Fleet.Workers)}");
    }
}
