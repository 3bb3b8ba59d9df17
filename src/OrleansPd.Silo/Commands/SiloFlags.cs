using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OrleansPd.Server.Commands;
using OrleansPd.Silo.Hosting;

namespace OrleansPd.Silo.Commands;

/// <summary>The flags of a silo that its gateway does not have.</summary>
internal sealed class SiloFlags
{
    private static readonly SiloOptions Default = new();

    private readonly (string Key, Option Option)[] _all =
    [
        Text("--redis", "Redis", "HOST:PORT", "Redis that the silos of the cluster share, or a connection string of StackExchange.Redis."),
        Text("--cluster-id", "ClusterId", "ID", $"Silos of one name form one cluster. Default {Default.ClusterId}."),
        Text("--service-id", "ServiceId", "ID", $"What is stored belongs to it. Default {Default.ServiceId}."),
        Whole("--silo-port", "SiloPort", "PORT", $"Port on which silos talk to each other. Default {Default.SiloPort}.", Default.SiloPort, 1, 65535),
        Whole("--gateway-port", "GatewayPort", "PORT",
            $"Port for .NET services that use the cluster; 0 = none may. Default {Default.GatewayPort}.", Default.GatewayPort, 0, 65535),
        Text("--advertise", "Advertise", "ADDRESS",
            "Address under which other silos reach this one, and the only one it listens on. Default: this machine's first, listening on all."),
        Text("--node", "Node", "NAME", "Name of the machine: a worker's writer prefers the silo beside its engine. Default: the machine's."),
        Text("--zone", "Zone", "NAME", $"Name of what fails together. Default {Default.Zone}."),
        Whole("--probe-timeout-ms", "ProbeTimeoutMs", "MS",
            $"Time in which a silo must answer another's probe. Default {Default.ProbeTimeoutMs}.", Default.ProbeTimeoutMs, 100, 60_000),
        Whole("--missed-probes", "MissedProbes", "COUNT",
            $"Probes missed in a row that make a silo suspect. Default {Default.MissedProbes}.", Default.MissedProbes, 1, 100),
        Whole("--death-votes", "DeathVotes", "COUNT",
            $"Silos that must suspect one to declare it dead. Default {Default.DeathVotes}.", Default.DeathVotes, 1, 100),
    ];

    public void AddTo(DocumentedCommand command) => command.Add("Cluster", _all.Select(flag => flag.Option));

    /// <summary>What was given, under its configuration keys.</summary>
    public Dictionary<string, string?> Read(ParseResult parsed)
    {
        var keys = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, option) in _all)
        {
            if (parsed.GetResult(option) is OptionResult { Implicit: false })
            {
                keys[$"Silo:{key}"] = option is Option<int> whole
                    ? parsed.GetValue(whole).ToString(CultureInfo.InvariantCulture)
                    : parsed.GetValue((Option<string?>)option);
            }
        }
        return keys;
    }

    private static (string, Option) Text(string name, string key, string value, string help) =>
        (key, new Option<string?>(name) { Description = help, HelpName = value });

    private static (string, Option) Whole(string name, string key, string value, string help, int initial, int min, int max) =>
        (key, Numbers.Whole(name, value, help, initial, min, max));
}
