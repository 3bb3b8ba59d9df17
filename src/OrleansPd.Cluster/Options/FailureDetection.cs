using Orleans.Configuration;

namespace OrleansPd.Cluster.Options;

/// <summary>
/// The shortest time in which membership can declare a silo dead, and the limit that follows from it. The credits of a dead silo
/// are granted to others. A process that was paused must therefore detect the pause before it starts a request, if it may have
/// been declared dead meanwhile: else two gateways use the same capacity.
/// </summary>
public static class FailureDetection
{
    /// <summary>
    /// Minimum for that limit: the heartbeat that detects pauses has 100 ms, and shorter pauses are normal on a busy machine.
    /// </summary>
    public static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan ShortestAllowance = TimeSpan.FromMilliseconds(25);

    /// <summary>
    /// The shortest time from a silo's last answer until it is declared dead: each missed probe takes the minimum probe timeout;
    /// an indirect probe takes half of it.
    /// </summary>
    public static TimeSpan ShortestTimeToDeath(ClusterMembershipOptions membership)
    {
        ArgumentNullException.ThrowIfNull(membership);
        var probe = membership.MinProbeTimeout;
        var last = membership.EnableIndirectProbes ? probe / 2 : probe;
        return (probe * (membership.NumMissedProbesLimit - 1)) + last;
    }

    /// <summary>
    /// After a longer pause a gateway starts no request until its credits are confirmed. A quarter of the probe timeout below
    /// <see cref="ShortestTimeToDeath"/>, because a probe may have been under way when the silo stopped; and below the time for
    /// which credits are valid without a report.
    /// </summary>
    /// <exception cref="ArgumentException">No limit is both safe and measurable; the message says what to change.</exception>
    public static TimeSpan LongestPause(ClusterMembershipOptions membership, PdClusterOptions cluster)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        var death = ShortestTimeToDeath(membership);
        var allowance = membership.MinProbeTimeout / 4;
        var limit = death - (allowance > ShortestAllowance ? allowance : ShortestAllowance);
        if (limit < ShortestPause)
        {
            throw new ArgumentException(
                $"a silo could be declared dead {death.TotalMilliseconds:0} ms after it stopped answering, too soon for its "
                + "gateway to notice the pause: use a longer probe timeout or more missed probes");
        }
        var valid = TimeSpan.FromSeconds(cluster.CreditSecs) - TimeSpan.FromMilliseconds(2 * cluster.SyncIntervalMs);
        if (valid < ShortestPause)
        {
            throw new ArgumentException(
                $"CreditSecs ({cluster.CreditSecs}) must be longer than two SyncIntervalMs ({cluster.SyncIntervalMs}): else "
                + "credits expire between two reports");
        }
        return limit < valid ? limit : valid;
    }
}
