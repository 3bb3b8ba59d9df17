using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Pairing;

namespace OrleansPd.Cluster.Tests;

/// <summary>Prefixes and sessions that came through one gateway are found by the others.</summary>
public class AffinityTests
{
    private const int Prompts = 24;

    private static PairRequest Request(int number, int blocks) => new()
    {
        PrefixBlocks = Enumerable.Range(1, blocks).Select(i => ((ulong)(number + 1) << 32) | (uint)i).ToArray(),
        PromptTokens = blocks * 128L,
        SessionKey = (ulong)(number + 1),
        MaxWait = TimeSpan.FromSeconds(20),
    };

    private static async Task<WorkerId> AskAsync(ClusterStage.Node node, PairRequest request)
    {
        var grant = await node.Plane.AcquireAsync(request, ClusterStage.Token);
        var lease = grant.Lease ?? throw new InvalidOperationException(grant.Refusal?.ToString());
        node.Plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Succeeded);
        node.Plane.LegEnded(lease, LegSide.Decode, LegOutcome.Succeeded);
        return lease.Prefill!.Id;
    }

    [Theory]
    [InlineData("cache_aware")]
    [InlineData("session")]
    public async Task What_went_through_one_gateway_goes_to_the_same_worker_through_another(string policy)
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 3, decode: 1, options: o => o.PrefillPolicy = policy);
        await stage.ReadyAsync();
        var (left, right) = (stage.Nodes[0], stage.Nodes[1]);
        var homes = new WorkerId[Prompts];
        for (var i = 0; i < Prompts; i++)
        {
            homes[i] = await AskAsync(left, Request(i, 40));
        }
        Assert.Equal(3, homes.Distinct().Count());
        var keys = policy == "session" ? Prompts : Prompts * 36; // of 40 blocks, 36 are on the grid of the index
        await ClusterStage.UntilAsync(() => right.Plane.AffinityLearned >= keys,
            () => $"{right.Plane.AffinityLearned} of {keys}");
        for (var i = 0; i < Prompts; i++)
        {
            Assert.Equal(homes[i], await AskAsync(right, Request(i, 60)));
        }
    }

    [Fact]
    public async Task A_gateway_that_joins_learns_what_is_in_use()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 1, prefill: 3, decode: 1, options: o => o.PrefillPolicy = "cache_aware");
        await stage.ReadyAsync();
        var homes = new WorkerId[Prompts];
        for (var i = 0; i < Prompts; i++)
        {
            homes[i] = await AskAsync(stage.Nodes[0], Request(i, 40));
        }
        var late = await stage.AddSiloAsync();
        await stage.ReadyAsync();
        await ClusterStage.UntilAsync(() =>
        {
            // Nothing of this is new to the first gateway; it tells of it because somebody has come.
            _ = AskAsync(stage.Nodes[0], Request(0, 40));
            return late.Plane.AffinityLearned >= 36;
        });
        Assert.Equal(homes[0], await AskAsync(late, Request(0, 60)));
    }
}
