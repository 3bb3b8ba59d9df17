using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Routing;

/// <summary>Pairs or regular workers, where a model has both.</summary>
public sealed class RouteTests
{
    private static TestFleet Mixed(int minUncached = 0, bool fallback = false, string policy = "least_load")
    {
        var fleet = new TestFleet(
            new() { Policy = policy, PdMinUncachedTokens = minUncached, PdFallback = fallback, PrefixIndexBlocks = 1024 })
            .With(1, 1);
        fleet.Add(WorkerRole.Regular, "r", TestFleet.Facts(slots: 2));
        return fleet;
    }

    [Theory]
    [InlineData(0, 10, RouteReason.Pair)]
    [InlineData(0, 100_000, RouteReason.Pair)]
    [InlineData(1000, 999, RouteReason.ShortPrompt)]
    [InlineData(1000, 1000, RouteReason.Pair)]
    public void Short_prompts_go_to_a_regular_worker_where_that_is_on(int minUncached, int prompt, RouteReason route)
    {
        var lease = Mixed(minUncached).Take(new PairRequest { PromptTokens = prompt });
        Assert.Equal((route, route == RouteReason.ShortPrompt), (lease.RouteExplanation.Route, lease.IsRegular));
    }

    [Fact]
    public void Tokens_cached_on_the_regular_worker_do_not_count()
    {
        var fleet = Mixed(1000, policy: "cache_aware");
        var prompt = new PairRequest { PromptTokens = 6000, PrefixBlocks = Blocks(60) };
        Assert.Equal(RouteReason.Pair, fleet.Take(prompt).RouteExplanation.Route);
        // 900 tokens go there; a prompt of 1500 that begins with them has 600 left to compute.
        Assert.Equal(RouteReason.ShortPrompt, fleet.Take(
            new PairRequest { PromptTokens = 900, PrefixBlocks = Blocks(9, 7) }).RouteExplanation.Route);
        var longer = fleet.Take(new PairRequest { PromptTokens = 1500, PrefixBlocks = Blocks(15, 7) });
        Assert.Equal(RouteReason.ShortPrompt, longer.RouteExplanation.Route);
        Assert.InRange(longer.RouteExplanation.UncachedTokens, 500, 999);
    }

    [Fact]
    public void A_short_prompt_goes_to_a_pair_when_no_regular_worker_has_room_and_the_route_explains_it()
    {
        var fleet = Mixed(1000);
        var request = new PairRequest { PromptTokens = 10 };
        Assert.Equal(
            [RouteReason.ShortPrompt, RouteReason.ShortPrompt, RouteReason.RegularBusy],
            Enumerable.Range(0, 3).Select(_ => fleet.Take(request).RouteExplanation.Route));
    }

    [Fact]
    public void Without_a_usable_pair_a_request_is_refused_unless_the_fallback_is_on()
    {
        foreach (var fallback in new[] { false, true })
        {
            var fleet = Mixed(fallback: fallback);
            fleet.Apply(fleet.State.Fleet.Prefill[0].Id, new WorkerInput.Drain());
            Assert.Equal(fallback, fleet.State.Fleet.IsReady);
            if (fallback)
            {
                var lease = fleet.Take();
                Assert.Equal((RouteReason.Fallback, "r"), (lease.RouteExplanation.Route, lease.Decode.Url.Host));
            }
            else
            {
                var refusal = fleet.Refused();
                Assert.Equal(RefusalReason.NoPrefill, refusal.Reason);
                Assert.Contains("PdFallback", refusal.Message);
            }
        }
    }

    [Fact]
    public void Without_a_usable_pair_short_prompts_are_served_and_long_ones_refused()
    {
        var fleet = Mixed(1000);
        fleet.Apply(fleet.State.Fleet.Decode[0].Id, new WorkerInput.Drain());
        Assert.Equal(RouteReason.ShortPrompt, fleet.Take(new PairRequest { PromptTokens = 10 }).RouteExplanation.Route);
        Assert.Equal(RefusalReason.NoDecode, fleet.Refused(new PairRequest { PromptTokens = 5000 }).Reason);
    }

    [Fact]
    public void The_fallback_is_for_unusable_pairs_not_for_full_ones()
    {
        var fleet = Mixed(fallback: true);
        var leases = Enumerable.Range(0, 4).Select(_ => fleet.Take()).ToArray();
        Assert.All(leases, l => Assert.False(l.IsRegular));
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused().Reason);
    }

    [Fact]
    public void A_model_that_has_regular_workers_alone_is_served_by_them()
    {
        var fleet = new TestFleet();
        fleet.Add(WorkerRole.Regular, "r");
        Assert.Equal(RouteReason.OnlyRegular, fleet.Take().RouteExplanation.Route);
        Assert.True(fleet.State.Fleet.IsReady);
    }

    [Fact]
    public void A_lease_explains_its_route()
    {
        var fleet = new TestFleet().With(1, 2, slots: 1);
        var first = fleet.Take(new PairRequest { PromptTokens = 700 });
        Assert.Equal(
            "pair; prefill by least_load, score 0 of 1 ranks; decode by least_load, score 0 of 2 ranks; 700 tokens to compute; "
                + "waited 0 ms",
            first.Why);
        fleet.Take();
        fleet.Wait(new PairRequest());
        fleet.Now = fleet.Now.AddMilliseconds(250);
        fleet.EndBoth(first);
        var waited = Assert.Single(fleet.Granted()).Grant!.Value.Lease!;
        Assert.Equal(TimeSpan.FromMilliseconds(250), waited.RouteExplanation.Waited);
        Assert.EndsWith("waited 250 ms", waited.Why);
    }

    private static ulong[] Blocks(int count, ulong seed = 1) =>
        [.. Enumerable.Range(0, count).Select(i => ((ulong)i + 1) * 7919 * seed)];
}
