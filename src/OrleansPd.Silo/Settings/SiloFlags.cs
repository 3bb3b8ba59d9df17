using OrleansPd.Cluster.Options;
using OrleansPd.Server.Settings;
using static OrleansPd.Server.Settings.FlagKind;

namespace OrleansPd.Silo.Settings;

/// <summary>The flags of <c>orleanspd-silo run</c> that <c>orleanspd gateway</c> does not have.</summary>
internal static class SiloFlags
{
    public const string Section = "Silo";

    public const string ClusterSection = "Cluster";

    private static readonly IReadOnlyList<(string Title, IReadOnlyList<GatewayFlag> Flags)> Groups =
    [
        ("Cluster",
        [
            new("redis", Text, "HOST:PORT",
                "Redis that holds membership, state, reminders and rooms. A password belongs into the environment "
                + "(ORLEANSPD_SILO__REDIS=host:port,password=...). Default 127.0.0.1:6379.", Section),
            new("cluster-id", Text, "ID", "Silos with the same cluster and service id make one cluster. Default orleanspd.", Section),
            new("service-id", Text, "ID", "Names what is stored. Default orleanspd.", Section),
            new("silo-port", Whole, "PORT", "Port for other silos; 0 = any free one. Default 11111.", Section),
            new("gateway-port", Whole, "PORT", "Port for .NET services that use the cluster; 0 = any free one. Default 12111.", Section),
            new("advertise", Text, "ADDRESS",
                "IP address under which others reach both. Default the one this machine has towards Redis.", Section),
            new("node", Text, "NAME", "Name of this machine: workers on it are looked after here. Default none.", Section),
            new("zone", Text, "NAME", "Name of its zone. Default none.", Section),
        ]),
        ("Membership",
        [
            new("probe-timeout-ms", Whole, "MS",
                "Time in which a silo answers another's probe. Shorter finds the dead sooner and takes a pause for death. Default 500.",
                Section),
            new("missed-probes", Whole, "PROBES", "Probes in a row that must go unanswered for a vote. Default 2.", Section),
            new("death-votes", Whole, "SILOS", "Silos that must vote one dead. Default 2.", Section),
            new("indirect-probes", Switch, "", "Ask a third silo before a vote; doubles the time until a frozen one is found.", Section),
            new("table-refresh-secs", Whole, "SECONDS", "Time between two reads of the membership table. Default 2.", Section),
        ]),
    ];

    public static GatewayFlagSet Create() =>
        new([(Section, typeof(NodeOptions)), (ClusterSection, typeof(PdClusterOptions))], Groups);
}
