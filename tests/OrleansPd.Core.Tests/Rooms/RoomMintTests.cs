using OrleansPd.Core.Rooms;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Rooms;

public sealed class RoomMintTests
{
    [Fact]
    public void Rooms_are_in_range_meet_the_rank_and_never_repeat() => SeededRandom.ForEachSeed(20, random =>
    {
        var mint = new RoomMint(random.Next(8192), random.NextInt64());
        var seen = new HashSet<long>();
        for (var i = 0; i < 5_000; i++)
        {
            var dp = random.Next(1, random.Next(2) == 0 ? 9 : RoomMint.MaxDpSize + 1);
            var rank = random.Next(dp);
            var room = mint.Next(dp, rank);
            Assert.InRange(room, 1, long.MaxValue);
            Assert.Equal(rank, room % dp);
            Assert.True(seen.Add(room), $"room {room} came twice");
        }
    });

    [Fact]
    public void Gateways_of_different_prefix_never_share_a_room()
    {
        var start = RoomMint.CounterAt(DateTimeOffset.UnixEpoch.AddYears(56));
        var left = new RoomMint(1, start);
        var right = new RoomMint(2, start);
        var seen = Enumerable.Range(0, 20_000).Select(_ => left.Next(4, 1)).ToHashSet();
        Assert.All(Enumerable.Range(0, 20_000), _ => Assert.DoesNotContain(right.Next(4, 1), seen));
    }

    [Fact]
    public void A_restarted_gateway_does_not_repeat_its_former_rooms()
    {
        var start = DateTimeOffset.UnixEpoch.AddYears(56);
        var before = new RoomMint(7, RoomMint.CounterAt(start));
        var after = new RoomMint(7, RoomMint.CounterAt(start.AddSeconds(1)));
        var seen = Enumerable.Range(0, 100_000).Select(_ => before.Next(1, 0)).ToHashSet();
        Assert.Equal(100_000, seen.Count);
        Assert.All(Enumerable.Range(0, 50_000), _ => Assert.DoesNotContain(after.Next(1, 0), seen));
    }

    [Fact]
    public void Rooms_look_unordered_and_spread_over_any_small_modulus()
    {
        var mint = new RoomMint(3, 0);
        var rooms = Enumerable.Range(0, 8_000).Select(_ => mint.Next(1, 0)).ToArray();
        var rising = rooms.Zip(rooms.Skip(1)).Count(p => p.First < p.Second);
        Assert.InRange(rising, 3_600, 4_400);
        foreach (var dp in new[] { 2, 3, 8 })
            Assert.All(rooms.GroupBy(r => r % dp), g => Assert.InRange(g.Count(), 8_000 / dp * 8 / 10, 8_000 / dp * 12 / 10));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(2, 2)]
    [InlineData(2, -1)]
    [InlineData(RoomMint.MaxDpSize + 1, 0)]
    public void A_rank_that_cannot_be_is_a_bug(int dp, int rank) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new RoomMint(0, 0).Next(dp, rank));
}
