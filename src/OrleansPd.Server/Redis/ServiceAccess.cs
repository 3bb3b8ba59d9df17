using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>What a .NET service needs to connect to a cluster, in one line.</summary>
internal static class ServiceAccess
{
    /// <param name="node">A silo's settings.</param>
    /// <param name="redis">Where Redis is; null = the cluster uses none. Its password is not printed.</param>
    /// <param name="gateways">Orleans' gateways.</param>
    public static string Describe(NodeOptions node, string? redis, IEnumerable<IPEndPoint> gateways)
    {
        var found = redis is null ? "no Redis"
            : $"Redis {Addresses(ConfigurationOptions.Parse(redis))}";
        return $".NET services connect with cluster id {node.ClusterId}, service id {node.ServiceId}, {found}, "
            + $"gateways {string.Join(' ', gateways)}";
    }

    /// <summary>The hosts of a Redis configuration, without its password.</summary>
    public static string Addresses(ConfigurationOptions redis) => string.Join(',', redis.EndPoints.Select(Text));

    private static string Text(EndPoint endpoint) =>
        endpoint is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : endpoint.ToString() ?? "";
}
