using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Faults;

/// <summary>Rows F21 and F23 of the fault matrix: the ranks sent on both legs cannot contradict each other.</summary>
public sealed class RankFaultTests
{
    [Theory]
    [InlineData(DpRankMode.Explicit)]
    [InlineData(DpRankMode.Modulo)]
    [InlineData(DpRankMode.Engine)]
    public void F21_with_one_rank_no_leg_has_rank_members(DpRankMode recipe)
    {
        var fleet = new TestFleet(new() { Policy = "round_robin", DpRanks = recipe }).With(prefill: 2, decode: 2, slots: 100);
        foreach (var lease in Enumerable.Range(0, 20).Select(_ => fleet.Take()))
        {
            Assert.Equal((null, null), (lease.PrefillTarget.RoutedDpRank, lease.PrefillTarget.DisaggPrefillDpRank));
            Assert.Equal((null, null), (lease.DecodeTarget.RoutedDpRank, lease.DecodeTarget.DisaggPrefillDpRank));
        }
        Assert.Equal((0L, 0L), (fleet.State.Rooms.Registered, fleet.State.Rooms.Conflicts));
    }

    [Fact]
    public void F23_an_explicit_rank_and_the_room_agree_by_construction() => SeededRandom.ForEachSeed(40, random =>
    {
        var recipe = random.Next(2) == 0 ? DpRankMode.Explicit : DpRankMode.Modulo;
        string[] policies =
            ["cache_aware", "consistent_hashing", "least_load", "power_of_two", "random", "round_robin", "session"];
        var fleet = new TestFleet(new() { Policy = policies[random.Next(policies.Length)], DpRanks = recipe }, random.Next());
        foreach (var i in Enumerable.Range(0, random.Next(1, 5)))
        {
            fleet.Add(WorkerRole.Prefill, $"p{i}", TestFleet.Facts(random.Next(1, 17), 4000));
            fleet.Add(WorkerRole.Decode, $"d{i}", TestFleet.Facts(random.Next(1, 17), 4000));
        }
        var seen = new HashSet<long>();
        for (var i = 0; i < 300; i++)
        {
            var lease = fleet.Take(new PairRequest
            {
                Items = random.Next(
                1, 9),
                SessionKey = (ulong)random.Next(20),
                PromptTokens = random.Next(2000)
            });
            var dp = lease.Prefill!.DpSize;
            Assert.InRange(lease.PrefillRank, 0, dp - 1);
            Assert.All(lease.Rooms.ToArray(), room =>
            {
                Assert.InRange(room, 1, long.MaxValue);
                Assert.Equal(lease.PrefillRank, room % dp);
                Assert.True(seen.Add(room), $"the room {room} was given twice");
            });
            Assert.True(lease.PrefillTarget.DisaggPrefillDpRank is null
                || lease.PrefillTarget.DisaggPrefillDpRank == lease.PrefillRank);
            Assert.Equal(lease.PrefillTarget.DisaggPrefillDpRank, lease.DecodeTarget.DisaggPrefillDpRank);
            if (random.Next(3) == 0)
                fleet.EndBoth(lease);
        }
    });
}
