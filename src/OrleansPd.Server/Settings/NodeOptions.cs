using System.ComponentModel.DataAnnotations;
using Orleans.Configuration;

namespace OrleansPd.Server.Settings;

/// <summary>
/// How this silo joins its cluster; of no effect without <see cref="Redis"/>. Configuration section <c>Silo</c>.
/// </summary>
internal sealed class NodeOptions
{
    /// <summary>
    /// Redis that holds membership, stored state, reminders and rooms: <c>HOST:PORT</c>, or a StackExchange.Redis configuration
    /// such as <c>host:6380,password=...,ssl=true</c>. Default null: this process is no silo of a cluster.
    /// </summary>
    public string? Redis { get; set; }

    /// <summary>Silos with the same cluster and service id make one cluster. Default orleanspd.</summary>
    [Required]
    public string ClusterId { get; set; } = "orleanspd";

    /// <summary>Names what is stored: two clusters must never have one service id at the same time. Default orleanspd.</summary>
    [Required]
    public string ServiceId { get; set; } = "orleanspd";

    /// <summary>TCP port for other silos; 0 = any free one. Default 11111.</summary>
    [Range(0, 65535)]
    public int SiloPort { get; set; } = 11111;

    /// <summary>TCP port for .NET services that use the cluster; 0 = any free one. Default 12111.</summary>
    [Range(0, 65535)]
    public int GatewayPort { get; set; } = 12111;

    /// <summary>
    /// IP address under which others reach both ports; null = the one this machine has towards Redis. Default null.
    /// </summary>
    public string? Advertise { get; set; }

    /// <summary>Name of the machine, as the engines on it are known. Default empty: the silo prefers no engine.</summary>
    public string Node { get; set; } = "";

    /// <summary>Name of the zone the machine is in. Default empty.</summary>
    public string Zone { get; set; } = "";

    /// <summary>
    /// Time in which a silo must answer another's probe, and pause between two probes, 50-60000 ms. Default 500. A shorter one finds
    /// dead silos sooner, and takes a long pause of a living silo for its death.
    /// </summary>
    [Range(50, 60_000)]
    public int ProbeTimeoutMs { get; set; } = 500;

    /// <summary>Probes in a row that must go unanswered before a silo votes another dead, 1-100. Default 2.</summary>
    [Range(1, 100)]
    public int MissedProbes { get; set; } = 2;

    /// <summary>Votes that declare a silo dead, 1-10; fewer silos than that: all others. Default 2.</summary>
    [Range(1, 10)]
    public int DeathVotes { get; set; } = 2;

    /// <summary>Have a third silo send the last probe before a vote. Default false.</summary>
    public bool IndirectProbes { get; set; }

    /// <summary>
    /// Seconds between two reads of the membership table, 1-300; silos also send each other changes at once. Default 2.
    /// </summary>
    [Range(1, 300)]
    public int TableRefreshSecs { get; set; } = 2;

    /// <summary>How Orleans finds dead silos with these settings.</summary>
    public void ApplyTo(ClusterMembershipOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.ProbeTimeout = TimeSpan.FromMilliseconds(ProbeTimeoutMs);
        // Orleans would adapt the timeout of each peer between half and four times that. FailureDetection needs a firm lower bound,
        // and dead silos must be found in time also by silos that are busy.
        options.MinProbeTimeout = options.MaxProbeTimeout = options.ProbeTimeout;
        // A silo that is slow to answer probes, but sent anything within (timeout x missed probes), is alive: no vote against it.
        options.EnableConnectionLivenessCheck = true;
        options.NumMissedProbesLimit = MissedProbes;
        options.NumVotesForDeathDeclaration = DeathVotes;
        options.EnableIndirectProbes = IndirectProbes;
        options.TableRefreshTimeout = TimeSpan.FromSeconds(TableRefreshSecs);
        // A silo whose row is older than three of these does not count when votes are counted: the rest can go on when most
        // silos die at once.
        options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
    }
}
