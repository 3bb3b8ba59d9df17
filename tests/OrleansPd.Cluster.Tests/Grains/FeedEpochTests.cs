using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Workers;
using OrleansPd.Testing;

namespace OrleansPd.Cluster.Tests.Grains;

/// <summary>Feeds continue after their grains have moved to a silo whose clock is behind.</summary>
public class FeedEpochTests
{
    [Fact]
    public async Task A_gateway_learns_of_new_workers_after_the_fleet_has_moved_to_a_silo_with_a_slower_clock()
    {
        await using var cluster = await FakeCluster.StartAsync(
            new FakeProbe(), new ShiftedClock(TimeSpan.FromHours(1)), TimeProvider.System);
        var fast = cluster.Silos[0];
        await FakeCluster.PlaneOf(fast).Joined;
        _ = await FakeCluster.PlaneOf(fast).AddAsync(FakeCluster.Worker("before", WorkerRole.Decode), ClusterStage.Token);
        var slow = await cluster.AddSiloAsync();
        var plane = FakeCluster.PlaneOf(slow);
        await ClusterStage.UntilAsync(() => plane.Fleet.Workers.Length == 1, () => "the second silo has not joined");

        await cluster.KillAsync(fast);
        await AddAsync("after");
        await ClusterStage.UntilAsync(
            () => plane.Fleet.Workers.Length == 2, () => $"{string.Join(", ", plane.Fleet.Workers)}", atMostSecs: 60);

        // Calls fail until the silo is declared dead.
        async Task AddAsync(string host)
        {
            while (true)
            {
                try
                {
                    _ = await plane.AddAsync(FakeCluster.Worker(host, WorkerRole.Decode), ClusterStage.Token);
                    return;
                }
                catch (Exception e) when (e is OrleansException or TimeoutException or InvalidOperationException)
                {
                    await Task.Delay(100, ClusterStage.Token);
                }
            }
        }
    }

    private sealed class ShiftedClock(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
