using Orleans.Configuration;
using OrleansPd.Cluster.Options;
using OrleansPd.Server.Settings;

namespace OrleansPd.Cluster.Tests;

/// <summary>
/// A gateway that was not running for long enough to be declared dead must notice it: else it uses credits that others have.
/// </summary>
public class FailureDetectionTests
{
    private static readonly int[] Timeouts = [50, 75, 100, 150, 250, 333, 500, 1000, 1500, 5000, 60_000];
    private static readonly int[] Missed = [1, 2, 3, 4, 10, 100];

    [Fact]
    public void The_defaults_detect_a_pause_of_875_ms_and_declare_no_silo_dead_before_one_second()
    {
        var membership = Membership(new NodeOptions());
        Assert.Equal(TimeSpan.FromSeconds(1), FailureDetection.ShortestTimeToDeath(membership));
        Assert.Equal(TimeSpan.FromMilliseconds(875), FailureDetection.LongestPause(membership, new PdClusterOptions()));
    }

    [Fact]
    public void No_combination_of_settings_lets_a_gateway_miss_a_pause_in_which_it_could_die()
    {
        var (accepted, refused) = (0, 0);
        foreach (var node in Combinations())
        {
            foreach (var cluster in Credits())
            {
                var membership = Membership(node);
                TimeSpan limit;
                try
                {
                    limit = FailureDetection.LongestPause(membership, cluster);
                }
                catch (ArgumentException)
                {
                    refused++;
                    continue;
                }
                accepted++;
                var what = $"{node.ProbeTimeoutMs} ms x {node.MissedProbes}, indirect {node.IndirectProbes}, "
                    + $"credits {cluster.CreditSecs} s";
                Assert.True(limit >= FailureDetection.ShortestPause, what);
                Assert.True(limit < Fastest(membership), what);
                // Credits that were confirmed at the last report before the pause still hold at its end.
                Assert.True(limit.TotalMilliseconds + cluster.SyncIntervalMs < cluster.CreditSecs * 1000, what);
            }
        }
        Assert.True(accepted > refused && refused > 0, $"{accepted} accepted, {refused} refused");
    }

    [Fact]
    public void Orleans_own_defaults_have_a_safe_limit_too() => Assert.True(
        FailureDetection.LongestPause(new ClusterMembershipOptions(), new PdClusterOptions())
            < Fastest(new ClusterMembershipOptions()));

    private static IEnumerable<NodeOptions> Combinations() =>
        from timeout in Timeouts
        from missed in Missed
        from indirect in new[] { false, true }
        select new NodeOptions { ProbeTimeoutMs = timeout, MissedProbes = missed, IndirectProbes = indirect };

    private static IEnumerable<PdClusterOptions> Credits() =>
        from credit in new[] { 10, 120, 3600 }
        from sync in new[] { 10, 200, 10_000 }
        select new PdClusterOptions { CreditSecs = credit, SyncIntervalMs = sync };

    private static ClusterMembershipOptions Membership(NodeOptions node)
    {
        var options = new ClusterMembershipOptions();
        node.ApplyTo(options);
        return options;
    }

    /// <summary>
    /// The shortest time from a freeze to the vote of one silo, by playing its probes: for each phase of the probes and each time
    /// that the silo took to answer before it froze, up to a quarter of the timeout (25 ms where that is more).
    /// </summary>
    private static TimeSpan Fastest(ClusterMembershipOptions membership)
    {
        var (timeout, limit) = (membership.MinProbeTimeout.TotalMilliseconds, membership.NumMissedProbesLimit);
        var shortest = double.MaxValue;
        for (var phase = 0; phase < 50; phase++)
        {
            foreach (var answerTime in new[] { 0, 0.5, Math.Max(timeout / 4, 25) - 0.1 })
            {
                var frozenAt = (10 * timeout) + (timeout * phase / 50);
                shortest = Math.Min(shortest, DeathOf(frozenAt, answerTime) - frozenAt);
            }
        }
        return TimeSpan.FromMilliseconds(shortest);

        double DeathOf(double frozenAt, double answerTime)
        {
            var missed = 0;
            for (var sent = 0.0; ; sent += timeout)
            {
                if (sent + Math.Min(answerTime, timeout) <= frozenAt)
                    continue;
                // Each that is missed takes its whole timeout; the next one follows at once.
                if (++missed == limit)
                    return sent + (membership.EnableIndirectProbes ? timeout / 2 : timeout);
            }
        }
    }
}
