using System.Collections.Immutable;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Credits;

/// <summary>How many workers a pool should have, through all that storage may lose.</summary>
public class WantedSizeTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static PoolState Pool(
        long epoch, TargetSize wanted, bool isBlank = false, ImmutableArray<WorkerReport>? workers = null) =>
        new("decode/-", epoch, 1, wanted, isBlank, workers ?? []);

    private static WorkerReport Report() =>
        new WorkerMember(new("w"), new WorkerSpec { Url = new Uri("http://h:1"), Role = WorkerRole.Decode }, 1).FirstReport(Now);

    [Fact]
    public void The_later_word_stands_wherever_it_is_remembered()
    {
        var first = PoolRoster.Empty.Scale(4, Now);
        var second = first.Scale(7, Now); // within one tick
        Assert.True(second.TargetSize.At > first.TargetSize.At);
        Assert.Same(second, second.Restore(first.TargetSize));
        Assert.Equal(second.TargetSize, first.Restore(second.TargetSize).TargetSize);
        var cleared = second.Scale(null, Now.AddSeconds(1));
        Assert.Null(cleared.Restore(second.TargetSize).TargetSize.Workers); // an unset target size is not restored
    }

    [Fact]
    public void A_pool_that_lost_its_workers_is_restored()
    {
        var roster = new FleetRoster(Patience);
        Assert.True(roster.Apply(Pool(1, new(4, 100)), Now));
        // A pool without a record never replaces what is known.
        Assert.False(roster.Apply(Pool(2, default, isBlank: true), Now.AddHours(1)));
        Assert.Equal(new TargetSize(4, 100), roster.TargetOf("decode/-"));
        Assert.True(roster.Apply(Pool(3, new(2, 50), workers: [Report()]), Now)); // an older store
        Assert.Equal(new TargetSize(4, 100), roster.TargetOf("decode/-"));
        Assert.Equal(new TargetSize(4, 100), roster.Pools.Single().TargetSize);
    }

    [Fact]
    public void Gateways_restore_newer_target_sizes_after_the_wait()
    {
        var roster = new FleetRoster(Patience);
        (string, TargetSize)[] reported = [("decode/-", new(4, 100)), ("prefill/-", new(2, 100))];
        roster.BeginLearning(Now);
        Assert.Empty(roster.Newer(reported, Now.AddSeconds(9)));
        roster.Apply(Pool(1, new(3, 100)), Now);
        Assert.Equal([("prefill/-", new TargetSize(2, 100))], roster.Newer(reported, Now.AddSeconds(10)));
    }

    [Fact]
    public void An_empty_pool_unknown_to_all_gateways_is_awaited_once()
    {
        var roster = new FleetRoster(Patience);
        var blank = Pool(1, default, isBlank: true);
        Assert.False(roster.Apply(blank, Now));
        Assert.True(roster.IsBlank("decode/-"));
        Assert.True(roster.Apply(blank, Now + Patience));
        for (var second = 11; second < 40; second++)
        {
            roster.Apply(blank, Now.AddSeconds(second));
            Assert.False(roster.IsBlank("decode/-"));
        }
    }
}
