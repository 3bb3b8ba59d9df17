using OrleansPd.Server.Settings;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>The keys of a cluster that are read or written here; what Orleans keeps beside them is its own.</summary>
internal static class RedisKeys
{
    /// <summary>Orleans' membership table: a hash of silos, and its version.</summary>
    public static RedisKey Members(NodeOptions node) => $"{node.ServiceId}/members/{node.ClusterId}";

    /// <summary>What each silo speaks: a hash by address.</summary>
    public static RedisKey Terms(NodeOptions node) => $"{node.ServiceId}/terms/{node.ClusterId}";

    /// <summary>A shard of registered rooms: a hash by room.</summary>
    public static RedisKey Rooms(string service, int shard) => $"{service}/rooms/{shard}";
}
