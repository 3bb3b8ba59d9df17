using OrleansPd.Cluster.Options;
using static OrleansPd.Server.Settings.FlagKind;

namespace OrleansPd.Server.Settings;

/// <summary>The flags of <c>orleanspd gateway</c> that make it a silo of a cluster.</summary>
internal static class SiloFlags
{
    public const string Section = "Silo";

    public const string ClusterSection = "Cluster";

    private static readonly IReadOnlyList<(string Title, IReadOnlyList<GatewayFlag> Flags)> Groups =
    [
        ("Cluster",
        [
            new("redis", Text, "HOST:PORT",
                "[ours] Join the cluster in this Redis, which holds membership, state, reminders and rooms. Put a password into the "
                + "environment (ORLEANSPD_SILO__REDIS=host:port,password=...). Default none: no cluster.", Section),
            new("cluster-id", Text, "ID",
                "[ours] Silos with the same cluster and service id make one cluster. Default orleanspd.", Section),
            new("service-id", Text, "ID", "[ours] Names what is stored. Default orleanspd.", Section),
            new("silo-port", Whole, "PORT", "[ours] Port for other silos; 0 = any free one. Default 11111.", Section),
            new("gateway-port", Whole, "PORT",
                "[ours] Port for .NET services that use the cluster; 0 = any free one. Default 12111.", Section),
            new("advertise", Text, "ADDRESS",
                "[ours] IP address under which others reach both. Default the one this machine has towards Redis.", Section),
            new("node", Text, "NAME", "[ours] Name of this machine: workers on it are looked after here. Default none.", Section),
            new("zone", Text, "NAME", "[ours] Name of its zone. Default none.", Section),
        ]),
        ("Membership",
        [
            new("probe-timeout-ms", Whole, "MS",
                "[ours] Time in which a silo answers another's probe. Shorter finds the dead sooner and takes a pause for death. Default 500.",
                Section),
            new("missed-probes", Whole, "PROBES", "[ours] Probes in a row that must go unanswered for a vote. Default 2.",
                Section),
            new("death-votes", Whole, "SILOS", "[ours] Silos that must vote one dead. Default 2.", Section),
            new("indirect-probes", Switch, "",
                "[ours] Ask a third silo before a vote; doubles the time until a frozen one is found.", Section),
            new("table-refresh-secs", Whole, "SECONDS", "[ours] Time between two reads of the membership table. Default 2.",
                Section),
        ]),
    ];

    public static GatewayFlagSet Create() =>
        new([(Section, typeof(NodeOptions)), (ClusterSection, typeof(PdClusterOptions))], Groups);
}
