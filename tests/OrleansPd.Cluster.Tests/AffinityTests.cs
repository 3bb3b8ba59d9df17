using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Tests;

/// <summary>Prefixes and sessions that came through one gateway are found by the others.</summary>
public class AffinityTests
{
    private const int Prompts = 24;

    /// <summary>Of one token, so that what a gateway has just sent weighs nothing where the next one is weighed.</summary>
    private static PairRequest Light(int number, int blocks) => Request(number, blocks) with { PromptTokens = 1 };

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
    public async Task A_session_of_one_gateway_goes_to_the_same_worker_at_another(string policy)
    {
        await using var stage = await ClusterStage.StartAsync(
            silos: 2, prefill: 3, decode: 1, options: o => o.PrefillPolicy = policy);
        await stage.ReadyAsync();
        var (left, right) = (stage.Nodes[0], stage.Nodes[1]);
        var homes = new WorkerId[Prompts];
        for (var i = 0; i < Prompts; i++)
            homes[i] = await AskAsync(left, Light(i, 40));
        Assert.Equal(3, homes.Distinct().Count());
        var keys = policy == "session" ? Prompts : Prompts * 36; // of 40 blocks, 36 are on the grid of the index
        await ClusterStage.UntilAsync(() => right.Plane.AffinityLearned >= keys,
            () => $"{right.Plane.AffinityLearned} of {keys}");
        for (var i = 0; i < Prompts; i++)
            Assert.Equal(homes[i], await AskAsync(right, Request(i, 60)));
    }

    [Fact]
    public async Task A_gateway_that_joins_learns_what_is_in_use()
    {
        await using var stage = await ClusterStage.StartAsync(
            silos: 1, prefill: 3, decode: 1, options: o => o.PrefillPolicy = "cache_aware");
        await stage.ReadyAsync();
        var homes = Enumerable.Range(0, Prompts).Select(_ => new HashSet<WorkerId>()).ToArray();
        await UseAsync();
        var late = await stage.AddSiloAsync();
        await stage.ReadyAsync();
        while (late.Plane.AffinityLearned < Prompts * 36)
        {
            // None of these keys is new at the first gateway; it sends them because a gateway has joined.
            await UseAsync();
            await Task.Delay(20, ClusterStage.Token);
        }
        // A rank on which the new gateway has no credit yet would be skipped.
        var usable = new HashSet<WorkerId>();
        while (usable.Count < 3)
            usable.Add(await AskAsync(late, new PairRequest { PromptTokens = 1, MaxWait = TimeSpan.FromSeconds(20) }));
        var found = 0;
        for (var i = 0; i < Prompts; i++)
        {
            // So heavy that what the first gateway has just sent there weighs nothing.
            found += homes[i].Contains(await AskAsync(late, Request(i, 60) with { PromptTokens = 60 * 2560 })) ? 1 : 0;
        }
        Assert.InRange(found, Prompts * 2 / 3, Prompts); // by chance it would be a third

        async Task UseAsync()
        {
            for (var i = 0; i < Prompts; i++)
                homes[i].Add(await AskAsync(stage.Nodes[0], Request(i, 40)));
        }
    }
}
