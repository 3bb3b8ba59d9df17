using OrleansPd.Core.Load;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Load;

/// <summary>Engines' figures correct our own count and never replace it.</summary>
public sealed class ForeignLoadTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(10, 0, 4, 0.1, 6)] // what is beyond ours is others'
    [InlineData(2, 2, 4, 0.1, 0)] // ours alone
    [InlineData(0, 0, 4, 0.1, 0)] // fewer than ours: ours stands
    [InlineData(0, 9, 4, 3.0, 5)] // waiting counts
    [InlineData(10, 0, 4, 3.1, 0)] // too old to be believed
    public void Only_fresh_figures_beyond_our_own_count(int running, int waiting, int own, double age, int foreign)
    {
        var reading = new RankReading(0, running, waiting) { Age = TimeSpan.FromSeconds(age) };
        Assert.Equal(foreign, default(ForeignLoad).Read(reading, own, Now).At(Now));
    }

    [Fact]
    public void A_wedged_engine_whose_figures_stand_still_changes_nothing()
    {
        var load = default(ForeignLoad).Read(new RankReading(0, 8, 0) { Age = TimeSpan.Zero }, 3, Now);
        var later = load.Read(new RankReading(0, 500, 500) { Age = TimeSpan.FromMinutes(2) }, 3, Now.AddSeconds(1));
        Assert.Equal((5, 5), (load.At(Now.AddSeconds(1)), later.At(Now.AddSeconds(1))));
    }

    [Fact]
    public void Figures_without_a_timestamp_are_fresh_when_the_engines_clock_moved()
    {
        RankReading Told(double tick) => new(0, 6, 0) { Tick = tick };
        var first = default(ForeignLoad).Read(Told(5), 0, Now);
        Assert.Equal(0, first.At(Now));
        Assert.Equal(0, first.Read(Told(5), 0, Now).At(Now));
        Assert.Equal(6, first.Read(Told(5.5), 0, Now).At(Now));
        Assert.Equal(0, default(ForeignLoad).Read(new RankReading(0, 6, 0), 0, Now).At(Now));
    }

    [Fact]
    public void Load_that_is_not_reported_again_fades()
    {
        var load = default(ForeignLoad).Read(new RankReading(0, 16, 0) { Age = TimeSpan.Zero }, 0, Now);
        Assert.Equal([16, 16, 8, 4, 0], new[] { 0, 5, 10, 20, 60 }.Select(s => load.At(Now.AddSeconds(s))));
        var fewer = load.Read(new RankReading(0, 4, 0) { Age = TimeSpan.Zero }, 0, Now.AddSeconds(2));
        Assert.Equal(10, fewer.At(Now.AddSeconds(2))); // by halves
    }

    [Fact]
    public void Traffic_of_others_moves_ours_away_and_uses_capacity_but_closes_no_idle_rank()
    {
        var fleet = new TestFleet().With(1, 2, slots: 4);
        var busy = fleet.SnapshotOf(fleet.State.Fleet.Decode[0].Id);
        fleet.ReportLoad(busy.Id, new RankReading(0, 3, 0) { Age = TimeSpan.Zero, Tokens = 3000 });
        var leases = Enumerable.Range(0, 4).Select(_ => fleet.Take()).ToArray();
        Assert.All(leases, l => Assert.NotEqual(busy.Id, l.Decode.Id));
        Assert.Equal(busy.Id, fleet.Take().Decode.Id); // one slot is left there besides theirs
        fleet.Refused();
        fleet.ReportLoad(busy.Id, new RankReading(0, 50, 0) { Age = TimeSpan.FromMinutes(1) });
        Assert.Equal(3, fleet.State.View(busy.Id)!.Ranks[0].Foreign);
        foreach (var lease in leases)
            fleet.EndBoth(lease);
        fleet.ReportLoad(fleet.State.Fleet.Decode[1].Id, new RankReading(0, 500, 0) { Age = TimeSpan.Zero });
        fleet.Take(); // an estimate alone closes nothing
    }

    [Fact]
    public void Our_own_requests_that_have_just_ended_are_not_taken_for_others()
    {
        var fleet = new TestFleet().With(1, 1, slots: 8);
        var leases = Enumerable.Range(0, 6).Select(_ => fleet.Take()).ToArray();
        foreach (var lease in leases)
            fleet.EndBoth(lease);
        fleet.ReportLoad(leases[0].Decode.Id, new RankReading(0, 6, 0) { Age = TimeSpan.FromSeconds(1) });
        Assert.Equal(0, fleet.State.View(leases[0].Decode.Id)!.Ranks[0].Foreign);
    }

    [Fact]
    public void The_capacity_that_the_engine_reports_is_used()
    {
        var fleet = new TestFleet().With(1, 1, slots: 8);
        var id = fleet.State.Fleet.Decode[0].Id;
        fleet.ReportLoad(id, new RankReading(0, 0, 0) { Age = TimeSpan.Zero, MaxRunning = 2, MaxTokens = 1000 });
        Assert.Equal((2, 1000L), (fleet.SnapshotOf(id).Facts.MaxRunningPerRank, fleet.SnapshotOf(id).Facts.TokenCapacityPerRank));
        Assert.Equal(2, fleet.State.View(id)!.Ranks[0].Capacity);
        fleet.Take();
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused(new PairRequest { PromptTokens = 900 }).Reason); // no KV for it
        fleet.Take(new PairRequest { PromptTokens = 10, MaxNewTokens = 10 });
        fleet.Refused();
    }

    [Fact]
    public void One_entry_for_all_ranks_gets_their_sum()
    {
        var fleet = new TestFleet(new() { Policy = "least_load", DpRanks = DpRankMode.Engine }).With(1, 1, dp: 2);
        var id = fleet.State.Fleet.Decode[0].Id;
        fleet.ReportLoad(id, new RankReading(
            0, 2, 0)
        { Age = TimeSpan.Zero }, new RankReading(1, 3, 0) { Age = TimeSpan.FromSeconds(1) });
        Assert.Equal(5, Assert.Single(fleet.State.View(id)!.Ranks).Foreign);
    }
}
