using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Policies;

/// <summary>
/// Which policy gives the sooner first token where prompts share prefixes, in virtual time. The same with simulated engines and
/// real HTTP: <c>OrleansPd.Benchmarks -- policies</c>, docs/policies.md.
/// </summary>
public sealed class PolicyOrderTests(ITestOutputHelper output)
{
    private static readonly int[] Seeds = [1, 2, 3];

    [Theory]
    [InlineData(4, 2)]
    [InlineData(1, 8)]
    [InlineData(2, 1)]
    public void On_shared_prefixes_affinity_is_best_and_least_load_is_no_better_than_round_robin(int workers, int ranks)
    {
        var turns = Mean("round_robin", new(), workers, ranks);
        Assert.InRange(Mean("cache_aware", new(), workers, ranks), 0, 0.8 * turns);
        Assert.InRange(Mean("least_load", new(), workers, ranks), 0.85 * turns, 1.15 * turns);
        Assert.InRange(Mean("random", new(), workers, ranks), turns, 3 * turns);
    }

    /// <summary>Where the caches hold less than all prefixes, going back to the same rank is worth even more.</summary>
    [Fact]
    public void With_small_caches_affinity_wins_by_more() =>
        Assert.InRange(Mean(
            "cache_aware", new(), 4, 2, cacheTokens: 30_000), 0, 0.5 * Mean("round_robin", new(), 4, 2, cacheTokens: 30_000));

    [Theory]
    [InlineData(4, 2)]
    [InlineData(1, 8)]
    [InlineData(2, 1)]
    [InlineData(8, 1)]
    public void A_hot_group_is_no_slower_than_in_turn(int workers, int ranks)
    {
        var hot = new SharedPrefixWorkload { HotShare = 0.26 };
        Assert.InRange(Mean("cache_aware", hot, workers, ranks), 0, Mean("round_robin", hot, workers, ranks));
    }

    /// <summary>
    /// All requests share the first quarter of their prompt: nothing is gained by affinity, and nothing may be lost.
    /// </summary>
    [Theory]
    [InlineData("cache_aware", 1.0)]
    [InlineData("least_load", 1.01)]
    [InlineData("consistent_hashing", 1.5)]
    public void A_prefix_that_all_ranks_have_attracts_no_request(string policy, double most)
    {
        var common = new SharedPrefixWorkload
        {
            Groups = 1,
            RequestsPerGroup = 200,
            SystemTokens = 40 * VirtualFleet.BlockTokens,
            QuestionTokens = 113 * VirtualFleet.BlockTokens,
            AnswerTokens = 430,
            Concurrency = 36,
        };
        foreach (var workers in new[] { 2, 4 })
            Assert.InRange(Mean(policy, common, workers, 1), 0, most * Mean("round_robin", common, workers, 1) * 1.001);
    }

    [Fact]
    public void The_same_seed_gives_the_same_times() => Assert.Equal(
        VirtualFleet.Run("cache_aware", new() { Seed = 5 }).FirstToken, VirtualFleet.Run(
            "cache_aware", new() { Seed = 5 }).FirstToken);

    private double Mean(string policy, SharedPrefixWorkload workload, int workers, int ranks, int cacheTokens = 360_064)
    {
        var mean = Seeds.Average(
            seed => VirtualFleet.Run(policy, workload with { Seed = seed }, workers, ranks, cacheTokens).Mean);
        output.WriteLine($"{policy} on {workers} x {ranks}: first token after {mean * 1000:0} ms");
        return mean;
    }
}
