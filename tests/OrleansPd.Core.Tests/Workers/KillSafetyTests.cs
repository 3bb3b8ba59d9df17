using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Workers;

/// <summary>When an engine may be killed, case by case.</summary>
public sealed class KillSafetyTests
{
    private static readonly DateTimeOffset Idle = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    // own legs, query after idle (s), age of the figures (s), requests on the engine: safe?
    [InlineData(1, 5, 0, 0, false)]
    [InlineData(0, 5, 0, 0, true)]
    [InlineData(0, 5, 4.9, 0, true)]
    [InlineData(0, 5, 5.1, 0, false)] // from before the last leg ended
    [InlineData(0, -1, 0, 0, false)]
    [InlineData(0, 5, 0, 1, false)]
    [InlineData(0, 600, 599, 0, true)]
    [InlineData(0, 600, 601, 0, false)] // stands still: stuck
    public void A_worker_is_safe_when_idle_by_our_count_and_by_figures_newer_than_our_last_leg(
        int own, double asked, double age, int held, bool safe)
    {
        var load = new EngineLoad
        {
            QueriedAt = Idle.AddSeconds(asked),
            Ranks = [new RankReading(
                0, 0, 0) { Age = TimeSpan.Zero }, new RankReading(1, 0, held) { Age = TimeSpan.FromSeconds(age) }],
        };
        var judged = KillSafety.Of(own, Idle, load);
        Assert.True(judged.IsSafe == safe, judged.Why);
    }

    [Fact]
    public void KV_that_is_being_sent_is_not_released()
    {
        var load = new EngineLoad
        {
            QueriedAt = Idle.AddSeconds(
            1),
            Ranks = [new RankReading(0, 0, 0) { Sending = 1, Age = TimeSpan.Zero }]
        };
        Assert.False(KillSafety.Of(0, Idle, load).IsSafe);
    }

    [Fact]
    public void An_engine_without_a_load_report_is_safe_by_our_own_count_after_a_query()
    {
        Assert.False(KillSafety.Of(0, Idle, null).IsSafe);
        Assert.False(KillSafety.Of(2, Idle, EngineLoad.Failed("connection refused") with { QueriedAt = Idle }).IsSafe);
        Assert.True(KillSafety.Of(0, Idle, EngineLoad.Failed("connection refused") with { QueriedAt = Idle }).IsSafe);
    }

    [Fact]
    public void Removed_workers_stay_listed_for_a_while_and_up_to_a_number()
    {
        var fleet = new TestFleet();
        for (var i = 0; i < 80; i++)
            fleet.Apply(fleet.Add(WorkerRole.Decode, $"d{i}", ready: false), new WorkerInput.Remove());
        var list = fleet.State.List();
        Assert.Equal((64, "d79"), (list.Length, list[0].Worker.Url.Host));
        fleet.Now = fleet.Now.AddHours(1);
        fleet.State.Tick(fleet.Now, fleet.Timestamp, TimeSpan.TicksPerSecond);
        Assert.Empty(fleet.State.List());
    }

    [Fact]
    public void A_drain_ends_with_the_first_figures_after_the_last_leg()
    {
        var fleet = new TestFleet().With(1, 1);
        var lease = fleet.Take();
        var id = lease.Decode.Id;
        fleet.Apply(id, new WorkerInput.Drain());
        fleet.ReportLoad(id, new RankReading(0, 0, 0) { Age = TimeSpan.Zero });
        Assert.Equal(WorkerPhase.Draining, fleet.SnapshotOf(id).Phase);
        fleet.Now = fleet.Now.AddSeconds(1);
        fleet.EndBoth(lease);
        Assert.Equal(WorkerPhase.Draining, fleet.SnapshotOf(id).Phase); // a report from before, when the request was still running
        fleet.Now = fleet.Now.AddSeconds(1);
        fleet.ReportLoad(id, new RankReading(0, 0, 0) { Age = TimeSpan.Zero });
        var gone = fleet.State.View(id)!;
        Assert.Equal((WorkerPhase.Gone, true), (gone.Worker.Phase, gone.Safety.IsSafe));
        Assert.NotNull(fleet.State.Register(new WorkerSpec { Url = lease.Decode.Url, Role = WorkerRole.Decode }, fleet.Now));
        Assert.Equal(WorkerPhase.Registered, fleet.State.View(id)!.Worker.Phase);
    }
}
