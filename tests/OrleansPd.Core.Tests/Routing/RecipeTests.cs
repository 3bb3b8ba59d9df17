using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Routing;

public sealed class RecipeTests
{
    [Theory]
    [InlineData(DpRankMode.Explicit, 4, 2, true, true, true)]
    [InlineData(DpRankMode.Explicit, 4, 1, true, false, true)]
    [InlineData(DpRankMode.Explicit, 1, 4, false, true, false)]
    [InlineData(DpRankMode.Explicit, 1, 1, false, false, false)]
    [InlineData(DpRankMode.Modulo, 4, 2, false, true, false)]
    [InlineData(DpRankMode.Engine, 4, 2, false, false, false)]
    public void Each_leg_gets_the_members_of_its_rank_mode(
        DpRankMode recipe, int prefillDp, int decodeDp, bool prefillRank, bool decodeRank, bool partner)
    {
        var fleet = new TestFleet(new() { Policy = "round_robin", DpRanks = recipe });
        fleet.Add(WorkerRole.Prefill, "p", TestFleet.Facts(prefillDp, 100));
        fleet.Add(WorkerRole.Decode, "d", TestFleet.Facts(decodeDp, 100));
        for (var i = 0; i < 20; i++)
        {
            var lease = fleet.Take(new PairRequest { Items = 3 });
            Assert.Equal(new LegTarget(
                "p", 8998, prefillRank ? lease.PrefillRank : null, prefillRank ? lease.PrefillRank : null), lease.PrefillTarget);
            Assert.Equal(new LegTarget(
                "p", 8998, decodeRank ? lease.DecodeRank : null, partner ? lease.PrefillRank : null), lease.DecodeTarget);
            Assert.Equal(3, lease.Rooms.Length);
            if (recipe != DpRankMode.Engine)
                Assert.All(lease.Rooms.ToArray(), room => Assert.Equal(lease.PrefillRank, room % prefillDp));
            fleet.EndBoth(lease);
        }
    }

    [Fact]
    public void Ranks_of_both_sides_are_all_used()
    {
        var fleet = new TestFleet();
        fleet.Add(WorkerRole.Prefill, "p", TestFleet.Facts(3, 100));
        fleet.Add(WorkerRole.Decode, "d", TestFleet.Facts(4, 100));
        var leases = Enumerable.Range(0, 12).Select(_ => fleet.Take()).ToArray();
        Assert.All(leases.GroupBy(l => l.PrefillRank), g => Assert.Equal(4, g.Count()));
        Assert.All(leases.GroupBy(l => l.DecodeRank), g => Assert.Equal(3, g.Count()));
    }

    [Theory]
    [InlineData("http://[FD00:0:0::1]:30000", "[fd00::1]")]
    [InlineData("http://Node-7.Example:30000/", "node-7.example")]
    [InlineData("http://10.0.0.11:30000", "10.0.0.11")]
    public void A_bootstrap_host_has_one_spelling(string url, string host) =>
        Assert.Equal(host, WorkerAddress.Host(new Uri(url)));

    [Fact]
    public void A_regular_worker_gets_no_bootstrap_members_and_no_room()
    {
        var fleet = new TestFleet();
        fleet.Add(WorkerRole.Regular, "r");
        var lease = fleet.Take();
        Assert.True(lease.IsRegular);
        Assert.Equal((0L, default(LegTarget)), (lease.Room, lease.DecodeTarget));
        Assert.True(fleet.End(lease, LegSide.Decode));
        Assert.Equal(0, fleet.State.Live);
    }
}
