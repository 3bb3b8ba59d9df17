using Orleans.Configuration;

namespace OrleansPd.Cluster.Options;

/// <summary>
/// How soon membership can declare a silo dead, and what follows from it. A silo that was declared dead has lost its credits to
/// others. A process that stands still and continues must therefore notice the pause before it starts anything, if membership
/// could have declared it dead meanwhile: else two gateways use the same capacity.
/// </summary>
public static class FailureDetection
{
    /// <summary>
    /// A gateway notices pauses by its heartbeat of 100 ms; shorter ones than this are those of any busy machine.
    /// </summary>
    public static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan ShortestAllowance = TimeSpan.FromMilliseconds(25);

    /// <summary>
    /// The shortest time from the moment at which a silo stops answering to its death: each missed probe takes the whole of the
    /// shortest probe timeout. An indirect probe gives its target half of that.
    /// </summary>
    public static TimeSpan ShortestTimeToDeath(ClusterMembershipOptions membership)
    {
        ArgumentNullException.ThrowIfNull(membership);
        var probe = membership.MinProbeTimeout;
        var last = membership.EnableIndirectProbes ? probe / 2 : probe;
        return (probe * (membership.NumMissedProbesLimit - 1)) + last;
    }

    /// <summary>
    /// After a longer pause a gateway starts nothing until its credits are confirmed. It is below
    /// <see cref="ShortestTimeToDeath"/> by a quarter of a probe timeout: a probe may have been under way for so long when the
    /// silo stopped. It is also below the time for which credits hold without a report.
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
