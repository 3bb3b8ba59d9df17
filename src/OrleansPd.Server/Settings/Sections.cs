using OrleansPd.Cluster.Options;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Server.Settings;

/// <summary>
/// The configuration sections of <c>orleanspd gateway</c>, each with an instance of its options that holds the defaults.
/// </summary>
internal static class Sections
{
    public const string Silo = "Silo", Cluster = "Cluster", Gateway = "Gateway", ControlPlane = "ControlPlane",
        Logging = "Logging";

    public static IReadOnlyList<(string Name, object Defaults)> All { get; } =
    [
        (Silo, new NodeOptions()),
        (Cluster, new PdClusterOptions()),
        (Gateway, new GatewayOptions()),
        (ControlPlane, new ControlPlaneOptions()),
        (Logging, new LogOptions()),
    ];
}
