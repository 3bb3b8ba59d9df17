using System.ComponentModel.DataAnnotations;
using Orleans.Configuration;

namespace OrleansPd.Server.Settings;

/// <summary>
/// How this silo joins its cluster; has no effect without <see cref="Redis"/>. Configuration section <c>Silo</c>.
/// </summary>
internal sealed class NodeOptions
{
    /// <summary>
    /// Redis that holds membership, stored state, reminders and rooms: <c>HOST:PORT</c>, or a StackExchange.Redis configuration
    /// such as <c>host:6380,password=...,ssl=true</c>. Default null: this process is no silo.
    /// </summary>
    [Flag(FlagGroup.Cluster, "HOST:PORT",
        "Join the cluster in this Redis, which stores membership, state, reminders and rooms. Pass a password by the "
        + "environment (ORLEANSPD_SILO__REDIS=host:port,password=...).", Default = "none: no cluster", Ours = true)]
    public string? Redis { get; set; }

    /// <summary>Silos with the same cluster and service id make one cluster. Default orleanspd.</summary>
    [Required]
    [Flag(FlagGroup.Cluster, "ID", "Silos with the same cluster id and service id form one cluster.", Ours = true)]
    public string ClusterId { get; set; } = "orleanspd";

    /// <summary>Owner of the stored state: two clusters must not use one service id at the same time.</summary>
    [Required]
    [Flag(FlagGroup.Cluster, "ID", "Prefix of the keys under which the cluster stores its state.", Ours = true)]
    public string ServiceId { get; set; } = "orleanspd";

    /// <summary>TCP port for other silos; 0 = any free port. Default 11111.</summary>
    [Range(0, 65535)]
    [Flag(FlagGroup.Cluster, "PORT", "Port for other silos; 0 = any free port.", Ours = true)]
    public int SiloPort { get; set; } = 11111;

    /// <summary>TCP port for .NET services that use the cluster; 0 = any free port. Default 12111.</summary>
    [Range(0, 65535)]
    [Flag(FlagGroup.Cluster, "PORT", "Port for .NET services that use the cluster; 0 = any free port.", Ours = true)]
    public int GatewayPort { get; set; } = 12111;

    /// <summary>
    /// IP address under which others reach both ports; null = the address of this machine towards Redis. Default null.
    /// </summary>
    [Flag(FlagGroup.Cluster, "ADDRESS",
        "IP address under which other machines reach both ports.",
        Default = "the address this machine uses towards Redis", Ours = true)]
    public string? Advertise { get; set; }

    /// <summary>Name of the machine, equal to the label <c>node</c> of the engines on it. Default empty: none is local.</summary>
    [Flag(FlagGroup.Cluster, "NAME", "Name of this machine; this silo is preferred for managing the engines on it.", Ours = true)]
    public string Node { get; set; } = "";

    /// <summary>Zone of the machine. Default empty.</summary>
    [Flag(FlagGroup.Cluster, "NAME", "Zone of this machine.", Ours = true)]
    public string Zone { get; set; } = "";

    /// <summary>
    /// Time in which a silo must answer another's probe, and pause between two probes, 50-60000 ms. Default 500. A shorter one
    /// finds dead silos sooner, and takes a long pause of a living silo for its death.
    /// </summary>
    [Range(50, 60_000)]
    [Flag(FlagGroup.Membership, "MILLISECONDS",
        "Time in which a silo must answer a probe of another silo. A shorter time finds failed silos sooner, but mistakes"
        + " long pauses for failures.", Ours = true)]
    public int ProbeTimeoutMs { get; set; } = 500;

    /// <summary>Probes in a row that must go unanswered before a silo votes another dead, 1-100. Default 2.</summary>
    [Range(1, 100)]
    [Flag(FlagGroup.Membership, "PROBES", "Consecutive missed probes before a silo votes another one dead.", Ours = true)]
    public int MissedProbes { get; set; } = 2;

    /// <summary>Votes that declare a silo dead, 1-10; fewer silos than that: all others. Default 2.</summary>
    [Range(1, 10)]
    [Flag(FlagGroup.Membership, "SILOS", "Votes that declare a silo dead.", Ours = true)]
    public int DeathVotes { get; set; } = 2;

    /// <summary>Have a third silo send the last probe before a vote. Default false.</summary>
    [Flag(FlagGroup.Membership, "", "Have a third silo send the last probe before a vote.", Ours = true)]
    public bool IndirectProbes { get; set; }

    /// <summary>
    /// Seconds between two reads of the membership table, 1-300; silos also send each other changes at once. Default 2.
    /// </summary>
    [Range(1, 300)]
    [Flag(FlagGroup.Membership, "SECONDS", "Time between reads of the membership table.", Ours = true)]
    public int TableRefreshSecs { get; set; } = 2;

    /// <summary>How Orleans finds dead silos with these settings.</summary>
    public void ApplyTo(ClusterMembershipOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.ProbeTimeout = TimeSpan.FromMilliseconds(ProbeTimeoutMs);
        // Orleans would adapt the timeout of each peer between half and four times that. FailureDetection needs a firm lower
        // bound, and dead silos must be found in time also by silos that are busy.
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
