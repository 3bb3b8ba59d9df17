using OrleansPd.Core.Credits;

namespace OrleansPd.Core.Tests.Credits;

public class RoomPrefixesTests
{
    [Fact]
    public void A_gateway_keeps_its_prefix()
    {
        var (next, prefix) = RoomPrefixes.None.Take("a", claimed: 7)!.Value;
        Assert.Equal(7, prefix);
        var again = next.Take("a", claimed: 9)!.Value;
        Assert.Equal((7, true), (again.Prefix, ReferenceEquals(next, again.Next)));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(RoomPrefixes.Max)]
    [InlineData(3)] // another gateway has it
    public void A_claim_that_cannot_be_met_gets_the_lowest_free_prefix(int claimed)
    {
        var (fleet, _) = RoomPrefixes.None.Take("a", 0)!.Value;
        (fleet, _) = fleet.Take("b", 3)!.Value;
        Assert.Equal(1, fleet.Take("c", claimed)!.Value.Prefix);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(RoomPrefixes.Max - 1)]
    public void The_first_and_the_last_prefix_can_be_claimed(int claimed) =>
        Assert.Equal(claimed, RoomPrefixes.None.Take("a", claimed)!.Value.Prefix);

    [Fact]
    public void The_prefixes_of_dead_gateways_are_free_again_and_when_none_is_free_there_is_none()
    {
        var fleet = RoomPrefixes.None;
        for (var i = 0; i < RoomPrefixes.Max; i++)
            (fleet, _) = fleet.Take($"g{i}", -1)!.Value;
        Assert.Null(fleet.Take("one more", -1));
        Assert.Same(fleet, fleet.Without(_ => false));
        var left = fleet.Without(gateway => gateway == "g5");
        Assert.Equal(5, left.Take("one more", -1)!.Value.Prefix);
    }
}
