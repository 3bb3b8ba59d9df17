using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Policies;

public sealed class PolicyTests
{
    public static TheoryData<string> All => [.. PolicyTable.Names];

    private static ulong[] Prompt(int shared, int own, ulong salt) =>
        [.. Enumerable.Range(1, shared).Select(i => (ulong)i * 0x9E3779B97F4A7C15UL), .. Enumerable.Range(1, own)
            .Select(i => (salt * 1_000_003UL) + ((ulong)i * 0xD6E8FEB86659FD93UL))];

    private static TestFleet Fleet(string policy, int workers, int dp = 1, int slots = 1000) =>
        new TestFleet(new() { Policy = policy, DecodePolicy = policy, PrefixIndexBlocks = 1 << 14 })
            .With(workers, workers, dp, slots);

    [Theory]
    [MemberData(nameof(All))]
    public void No_policy_refuses_while_there_is_room_or_uses_an_unusable_worker(string policy)
    {
        var fleet = Fleet(policy, workers: 4, dp: 2, slots: 3);
        fleet.Apply(fleet.State.Fleet.Prefill[0].Id, new WorkerInput.Drain());
        fleet.Apply(fleet.State.Fleet.Decode[0].Id, new WorkerInput.Drain());
        for (var i = 0; i < 18; i++)
        {
            var lease = fleet.Take(new PairRequest { SessionKey = 1, PrefixBlocks = Prompt(10, 0, 0), PromptTokens = 640 });
            Assert.NotEqual(fleet.State.Fleet.Prefill[0].Id, lease.Prefill!.Id);
            Assert.NotEqual(fleet.State.Fleet.Decode[0].Id, lease.Decode.Id);
        }
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused().Reason);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_worker_that_failed_is_avoided_unless_it_is_the_only_one(string policy)
    {
        var fleet = Fleet(policy, workers: 2, dp: 2);
        var (p, d) = (fleet.State.Fleet.Prefill[1].Id, fleet.State.Fleet.Decode[1].Id);
        var request = new PairRequest
        {
            AvoidPrefill = p,
            AvoidDecode = d,
            SessionKey = 3,
            PrefixBlocks = Prompt(
            4, 0, 0),
            PromptTokens = 256
        };
        for (var i = 0; i < 50; i++)
        {
            var lease = fleet.Take(request);
            Assert.NotEqual((p, d), (lease.Prefill!.Id, lease.Decode.Id));
            Assert.NotEqual(p, lease.Prefill.Id);
            Assert.NotEqual(d, lease.Decode.Id);
        }
        fleet.Apply(fleet.State.Fleet.Decode[0].Id, new WorkerInput.Drain());
        Assert.Equal(d, fleet.Take(request).Decode.Id);
    }

    [Fact]
    public void Few_idle_ranks_are_used_in_rotation_one_request_each()
    {
        var fleet = Fleet("least_load", workers: 63);
        var taken = Enumerable.Range(0, 126).Select(_ => One(fleet, 100)).ToArray();
        Assert.All(taken.GroupBy(l => l.Prefill), g => Assert.Equal(2, g.Count()));
        Assert.Equal(63, taken[..63].Select(l => l.Decode).Distinct().Count());
    }

    [Theory]
    [InlineData(100, 16, 16)] // an eighth of them: sixteen uses
    [InlineData(5000, 2, 32)] // or 8,192 tokens, which the second prompt passes
    public void Of_many_idle_ranks_each_gets_several_requests_before_the_next(int tokens, int each, int rounds)
    {
        var fleet = Fleet("least_load", workers: 128);
        var taken = Enumerable.Range(0, each * rounds).Select(_ => One(fleet, tokens)).ToArray();
        // Prefill ranks rotate soon, so that all of them fill their caches.
        Assert.All(taken.Chunk(each), turn => Assert.Single(turn.Select(l => l.Prefill).Distinct()));
        Assert.Equal(rounds, taken.Select(l => l.Prefill).Distinct().Count());
        // A decode engine remembers nothing.
        Assert.Single(taken.Select(l => l.Decode).Distinct());
    }

    [Fact]
    public void A_decode_engine_with_a_prefix_cache_rotates_soon_too()
    {
        var fleet = new TestFleet(new() { Policy = "least_load", DecodePolicy = "cache_aware", PrefixIndexBlocks = 1 << 14 })
            .With(128, 128, 1, 1000);
        // 100 tokens and 512 for the answer: the fourteenth passes 8,192.
        var taken = Enumerable.Range(0, 56).Select(_ => One(fleet, 100)).ToArray();
        Assert.All(taken.Chunk(14), turn => Assert.Single(turn.Select(l => l.Decode).Distinct()));
        Assert.Equal(4, taken.Select(l => l.Decode).Distinct().Count());
    }

    [Fact]
    public void Rotation_never_prefers_a_rank_with_more_load()
    {
        var fleet = Fleet("least_load", workers: 128);
        var leases = Enumerable.Range(0, 256).Select(_ => fleet.Take(new PairRequest { PromptTokens = 100 })).ToArray();
        Assert.All(leases.GroupBy(l => l.Prefill!.Id), g => Assert.Equal(2, g.Count()));
        Assert.All(leases.GroupBy(l => l.Decode.Id), g => Assert.Equal(2, g.Count()));
    }

    private static (WorkerId Prefill, WorkerId Decode) One(TestFleet fleet, int tokens)
    {
        var lease = fleet.Take(new PairRequest { PromptTokens = tokens });
        fleet.EndBoth(lease);
        return (lease.Prefill!.Id, lease.Decode.Id);
    }

    [Theory]
    [InlineData("least_load")]
    [InlineData("round_robin")]
    public void A_burst_is_spread_evenly(string policy)
    {
        var fleet = Fleet(policy, workers: 4, dp: 2);
        var leases = Enumerable.Range(0, 64).Select(_ => fleet.Take(new PairRequest { PromptTokens = 100 })).ToArray();
        Assert.All(leases.GroupBy(l => (l.Prefill!.Id, l.PrefillRank)), g => Assert.Equal(8, g.Count()));
        Assert.All(leases.GroupBy(l => (l.Decode.Id, l.DecodeRank)), g => Assert.Equal(8, g.Count()));
    }

    [Theory]
    [InlineData("random", 130)]
    [InlineData("power_of_two", 108)]
    public void Chance_spreads_within_reason(string policy, int most)
    {
        var fleet = Fleet(policy, workers: 8);
        var leases = Enumerable.Range(0, 800).Select(_ => fleet.Take(new PairRequest { PromptTokens = 100 })).ToArray();
        Assert.All(leases.GroupBy(l => l.Decode.Id), g => Assert.InRange(g.Count(), 200 - most, most));
    }

    [Fact]
    public void Least_load_counts_tokens_not_requests()
    {
        var fleet = Fleet("least_load", workers: 2);
        var big = fleet.Take(new PairRequest { PromptTokens = 1000 });
        var small = Enumerable.Range(0, 9).Select(_ => fleet.Take(new PairRequest { PromptTokens = 100 })).ToArray();
        Assert.All(small, l => Assert.NotEqual(big.Prefill!.Id, l.Prefill!.Id));
        fleet.End(big, LegSide.Prefill);
        Assert.Equal(big.Prefill!.Id, fleet.Take(new PairRequest { PromptTokens = 100 }).Prefill!.Id);
    }

    [Fact]
    public void A_prompt_goes_back_to_the_rank_that_has_it_cached()
    {
        var fleet = Fleet("cache_aware", workers: 4, dp: 2);
        for (ulong chat = 1; chat <= 20; chat++)
        {
            var first = fleet.Take(new PairRequest { PrefixBlocks = Prompt(0, 100, chat), PromptTokens = 6400 });
            fleet.EndBoth(first);
            var next = fleet.Take(new PairRequest { PrefixBlocks = Prompt(0, 120, chat), PromptTokens = 7680 });
            Assert.Equal((first.Prefill!.Id, first.PrefillRank), (next.Prefill!.Id, next.PrefillRank));
            fleet.EndBoth(next);
        }
    }

    [Fact]
    public void Affinity_yields_when_its_target_is_so_busy_that_another_is_sooner_done()
    {
        var fleet = Fleet("cache_aware", workers: 2);
        var request = new PairRequest { PrefixBlocks = Prompt(0, 100, 1), PromptTokens = 1000 };
        var home = fleet.Take(request);
        fleet.EndBoth(home);
        // 900 cached tokens are worth 900 tokens of queue and no more.
        fleet.Take(new PairRequest
        {
            PromptTokens = 800,
            AvoidPrefill = fleet.State.Fleet.Prefill.Single(
            p => p.Id != home.Prefill!.Id).Id
        });
        var still = fleet.Take(request with { PrefixBlocks = Prompt(0, 100, 1) });
        Assert.Equal(home.Prefill!.Id, still.Prefill!.Id);
        fleet.Take(new PairRequest
        {
            PromptTokens = 500,
            AvoidPrefill = fleet.State.Fleet.Prefill.Single(
            p => p.Id != home.Prefill!.Id).Id
        });
        Assert.NotEqual(home.Prefill!.Id, fleet.Take(request).Prefill!.Id);
    }

    [Fact]
    public void A_prefix_that_all_requests_share_does_not_concentrate_them() => SeededRandom.ForEachSeed(10, random =>
    {
        var fleet = Fleet("cache_aware", workers: 8, dp: 2);
        var leases = new List<PairLease>();
        for (ulong i = 1; i <= 640; i++)
        {
            leases.Add(fleet.Take(
                new PairRequest { PrefixBlocks = Prompt(16, 4, i + ((ulong)random.Next(1000) * 1000)), PromptTokens = 20 * 64 }));
        }
        // 640 requests on 16 ranks: 40 each, give or take the worth of the shared 16 blocks.
        Assert.All(leases.GroupBy(l => (l.Prefill!.Id, l.PrefillRank)), g => Assert.InRange(g.Count(), 32, 48));
    });

    [Fact]
    public void A_restarted_worker_has_lost_its_cache()
    {
        var fleet = Fleet("cache_aware", workers: 2);
        var request = new PairRequest { PrefixBlocks = Prompt(0, 100, 1), PromptTokens = 6400 };
        var home = fleet.Take(request);
        fleet.EndBoth(home);
        fleet.Apply(home.Prefill!.Id, new WorkerInput.Described(TestFleet.Facts(1, 1000, identity: "seed=2")));
        fleet.Apply(home.Prefill.Id, new WorkerInput.ReadinessPassed(2));
        Assert.NotEqual(home.Prefill.Id, fleet.Take(request).Prefill!.Id); // no rank has it: the next in rotation is used
    }

    [Theory]
    [InlineData("session")]
    [InlineData("consistent_hashing")]
    public void A_session_stays_on_its_pair(string policy)
    {
        var fleet = Fleet(policy, workers: 5, dp: 2);
        for (ulong key = 1; key <= 50; key++)
        {
            var first = fleet.Take(new PairRequest { SessionKey = key });
            var second = fleet.Take(new PairRequest { SessionKey = key });
            Assert.Equal(
                (first.Prefill!.Id, first.PrefillRank, first.Decode.Id, first.DecodeRank),
                (second.Prefill!.Id, second.PrefillRank, second.Decode.Id, second.DecodeRank));
        }
    }

    [Fact]
    public void Consistent_hashing_moves_few_keys_when_a_worker_comes()
    {
        var fleet = Fleet("consistent_hashing", workers: 9);
        var before = Enumerable.Range(1, 500).Select(k => fleet.Take(new PairRequest { SessionKey = (ulong)k }).Decode.Id)
            .ToArray();
        fleet.Add(WorkerRole.Decode, "d-new", TestFleet.Facts(1, 1000));
        var after = Enumerable.Range(1, 500).Select(k => fleet.Take(new PairRequest { SessionKey = (ulong)k }).Decode.Id)
            .ToArray();
        var moved = before.Zip(after).Count(p => p.First != p.Second);
        Assert.InRange(moved, 20, 100); // a tenth is ideal
        Assert.All(before.Zip(after).Where(p => p.First != p.Second), p => Assert.Equal("http://d-new:30000", p.Second.Value));
    }

    [Fact]
    public void Samples_of_one_prompt_stay_on_one_pair_while_it_has_room()
    {
        var fleet = Fleet("least_load", workers: 3, slots: 3);
        var first = fleet.Take();
        var near = Enumerable.Range(0, 2).Select(_ => fleet.Take(new PairRequest { Near = first })).ToArray();
        Assert.All(near, l => Assert.Equal((first.Prefill!.Id, first.Decode.Id), (l.Prefill!.Id, l.Decode.Id)));
        Assert.NotEqual(first.Decode.Id, fleet.Take(new PairRequest { Near = first }).Decode.Id);
    }

    [Fact]
    public void An_unknown_policy_is_refused_at_the_start() =>
        Assert.Contains("least_load", Assert.Throws<ArgumentException>(() => new TestFleet(new() { Policy = "best" })).Message);
}
