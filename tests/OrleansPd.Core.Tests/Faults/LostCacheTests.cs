using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Faults;

/// <summary>
/// Row F42. No cache events are read: the prefix index follows from our own routing. Where it can no longer be true (the engine's
/// cache was flushed, or another process is behind the address) that worker's part of it is dropped, and no other.
/// </summary>
public sealed class LostCacheTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void F42_cache_entries_that_an_engine_has_lost_are_dropped_and_the_others_kept(bool restarted)
    {
        var fleet = new TestFleet(new() { Policy = "cache_aware" }).With(prefill: 3, decode: 1, slots: 1000);
        var homes = Enumerable.Range(1, 60).ToDictionary(c => c, c => Ask(fleet, c));
        var lost = fleet.State.Fleet.Prefill[0].Id;
        if (restarted)
        {
            fleet.Apply(lost, new WorkerInput.Described(TestFleet.Facts(slots: 1000, identity: "seed=2")));
            fleet.Now += TimeSpan.FromSeconds(fleet.Options.PrefillRestartHoldSecs);
            fleet.Apply(lost, new WorkerInput.ReadinessPassed(2));
        }
        else
        {
            fleet.State.CachesFlushed(lost);
        }
        var kept = homes.Where(home => home.Value.Prefill!.Id != lost).ToArray();
        Assert.InRange(kept.Length, 35, 45);
        foreach (var (conversation, before) in homes)
        {
            var after = Ask(fleet, conversation);
            if (before.Prefill!.Id == lost)
            {
                Assert.Equal(2560, after.RouteExplanation.UncachedTokens); // anybody's again, and all of it to be computed
            }
            else
            {
                // The last token is always uncached.
                Assert.Equal((before.Prefill.Id, 1L), (after.Prefill!.Id, after.RouteExplanation.UncachedTokens));
            }
            var again = Ask(fleet, conversation);
            Assert.Equal((after.Prefill!.Id, 1L), (again.Prefill!.Id, again.RouteExplanation.UncachedTokens));
        }
    }

    private static PairLease Ask(TestFleet fleet, int conversation)
    {
        ulong[] blocks = [.. Enumerable.Range(0, 40)
            .Select(i => (((ulong)conversation << 20) + (ulong)i + 1) * 0x9E37_79B9_7F4A_7C15)];
        var lease = fleet.Take(new PairRequest { PrefixBlocks = blocks, PromptTokens = 2560 });
        fleet.EndBoth(lease);
        return lease;
    }
}
