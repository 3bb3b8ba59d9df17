using Microsoft.Extensions.Configuration;
using OrleansPd.Cluster.Options;
using OrleansPd.Gateway.Options;
using StackExchange.Redis;

namespace OrleansPd.Server.Settings;

/// <summary>A silo's settings, validated. A flag beats the environment, which beats the file, which beats the default.</summary>
internal sealed record SiloSettings(
    NodeOptions Node, PdClusterOptions Cluster, GatewayOptions Gateway, IConfiguration Logging, IReadOnlyList<string> Warnings)
{
    /// <exception cref="BadInputException">A setting is wrong; the message names the flag.</exception>
    public static SiloSettings Load(ParseResult parsed, GatewayFlagSet flags, IReadOnlyDictionary<string, string> environment)
    {
        var gateway = GatewaySettings.Load(parsed, flags, environment);
        var (node, cluster) = (new NodeOptions(), new PdClusterOptions());
        try
        {
            gateway.Configuration.GetSection(Sections.Silo).Bind(node);
            gateway.Configuration.GetSection(Sections.Cluster).Bind(cluster);
        }
        catch (InvalidOperationException error)
        {
            throw new BadInputException((error.InnerException ?? error).Message);
        }
        SettingChecks.CheckRanges(node, Sections.Silo, gateway.Sources);
        SettingChecks.CheckRanges(cluster, Sections.Cluster, gateway.Sources);
        if (node.Redis is null)
        {
            CheckAlone(gateway.Sources);
            return new(node, cluster, gateway.Options, gateway.Logging, gateway.Warnings);
        }
        CheckPorts(node, gateway.Options);
        CheckNames(node, node.Redis);
        CheckDetection(node, cluster);
        if (gateway.Options.ControlPlane.BootstrapFacade)
        {
            throw new BadInputException(
                "--bootstrap-facade is not available in a cluster: leave out --redis, or --bootstrap-facade.");
        }
        return new(node, cluster, gateway.Options, gateway.Logging, gateway.Warnings);
    }

    /// <summary>A cluster setting without a cluster has no effect; refuse it instead of ignoring it.</summary>
    private static void CheckAlone(SettingSources sources)
    {
        var given = GatewayFlags.All.FirstOrDefault(flag =>
            flag.Section is Sections.Silo or Sections.Cluster && sources.Value(flag.Key) is not null);
        if (given is not null)
        {
            throw new BadInputException(
                $"{given.Display} is a cluster setting and needs --redis{GatewaySettings.Where(sources, given.Key)}.");
        }
    }

    private static void CheckPorts(NodeOptions node, GatewayOptions gateway)
    {
        (string Flag, int Port)[] ports =
            [("--port", gateway.Port), ("--silo-port", node.SiloPort), ("--gateway-port", node.GatewayPort)];
        foreach (var same in ports.Where(p => p.Port != 0).GroupBy(p => p.Port).Where(g => g.Count() > 1))
        {
            throw new BadInputException(
                $"{string.Join(" and ", same.Select(p => p.Flag))} are both {same.Key}; each needs its own port.");
        }
    }

    /// <summary>A gateway must notice every pause that is long enough for its silo to be declared dead.</summary>
    private static void CheckDetection(NodeOptions node, PdClusterOptions cluster)
    {
        var membership = new Orleans.Configuration.ClusterMembershipOptions();
        node.ApplyTo(membership);
        try
        {
            FailureDetection.LongestPause(membership, cluster);
        }
        catch (ArgumentException error)
        {
            throw new BadInputException(
                $"--probe-timeout-ms {node.ProbeTimeoutMs} with --missed-probes {node.MissedProbes}: {error.Message}.");
        }
    }

    private static void CheckNames(NodeOptions node, string redis)
    {
        if (node.Advertise is { } address
            && (!IPAddress.TryParse(address, out var ip) || ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any)))
        {
            throw new BadInputException($"--advertise: '{address}' is no IP address that others can reach.");
        }
        foreach (var (flag, name) in new[] { ("--cluster-id", node.ClusterId), ("--service-id", node.ServiceId) })
        {
            if (name.Any(c => char.IsWhiteSpace(c) || c == '/'))
                throw new BadInputException($"{flag}: '{name}' may hold no space and no '/': it is part of the keys in Redis.");
        }
        try
        {
            if (ConfigurationOptions.Parse(redis).EndPoints.Count == 0)
                throw new BadInputException("--redis names no host.");
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            throw new BadInputException($"--redis is not HOST:PORT or a Redis configuration: {error.Message}");
        }
    }
}
