using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Faults;

/// <summary>Row F34: a second gateway that starts cold, and has found the workers in another order.</summary>
public sealed class SecondGatewayTests(ITestOutputHelper output)
{
    private const int Workers = 5;

    [Fact]
    public void F34_with_consistent_hashing_a_cold_gateway_decides_like_the_warm_one()
    {
        var (warm, cold) = (Gateway("consistent_hashing", 1), Gateway("consistent_hashing", 2, reversed: true));
        for (ulong key = 1; key <= 1000; key++)
        {
            var (here, there) = (
                warm.Take(new PairRequest { SessionKey = key }), cold.Take(new PairRequest { SessionKey = key }));
            Assert.Equal(
                (here.Prefill!.Id, here.PrefillRank, here.Decode.Id, here.DecodeRank),
                (there.Prefill!.Id, there.PrefillRank, there.Decode.Id, there.DecodeRank));
        }
    }

    [Fact]
    public void F34_with_cache_aware_a_cold_gateway_concentrates_no_load_and_misses_each_prompt_once_at_most()
    {
        var cold = Gateway("cache_aware", 3);
        ulong[] Prompt(int conversation) =>
            [.. Enumerable.Range(0, 40).Select(i => (((ulong)conversation << 20) + (ulong)i + 1) * 0x9E37_79B9_7F4A_7C15)];
        var homes = new Dictionary<int, (WorkerId, int)>();
        var misses = 0;
        for (var round = 0; round < 3; round++)
        {
            for (var conversation = 1; conversation <= 200; conversation++)
            {
                Others(cold, conversation); // other requests in between, so that the rotation does not repeat
                var lease = cold.Take(new PairRequest { PrefixBlocks = Prompt(conversation), PromptTokens = 2560 });
                var here = (lease.Prefill!.Id, lease.PrefillRank);
                misses += homes.TryGetValue(conversation, out var home) && home == here ? 0 : 1;
                homes[conversation] = here;
                cold.EndBoth(lease);
            }
        }
        var spread = homes.Values.GroupBy(h => h).Select(g => g.Count()).ToArray();
        output.WriteLine($"{misses} misses of 600; conversations for each rank: {string.Join(' ', spread)}");
        Assert.Equal(200, misses);
        Assert.Equal(Workers * 2, spread.Length);
        Assert.All(spread, n => Assert.InRange(n, 10, 30)); // 20 is ideal
    }

    private static void Others(TestFleet fleet, int conversation)
    {
        for (var i = conversation % 3; i > 0; i--)
            fleet.EndBoth(fleet.Take(new PairRequest { PromptTokens = 10 }));
    }

    private static TestFleet Gateway(string policy, int seed, bool reversed = false)
    {
        var fleet = new TestFleet(new() { Policy = policy, DecodePolicy = policy == "cache_aware" ? null : policy }, seed);
        var order = Enumerable.Range(0, Workers).ToArray();
        foreach (var i in reversed ? order.Reverse() : order)
        {
            fleet.Add(WorkerRole.Prefill, $"p{i}", TestFleet.Facts(2, 2000));
            fleet.Add(WorkerRole.Decode, $"d{i}", TestFleet.Facts(2, 2000));
        }
        return fleet;
    }
}
