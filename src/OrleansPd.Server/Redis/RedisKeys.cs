using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>Our own keys of a cluster. The keys of Orleans' providers are read and written by those providers alone.</summary>
internal static class RedisKeys
{
    /// <summary>Contracts and settings of each silo: a hash by address.</summary>
    public static RedisKey Terms(NodeOptions node) => $"{node.ServiceId}/terms/{node.ClusterId}";

    /// <summary>The silo that restores the membership table: a lock.</summary>
    public static RedisKey Restoring(NodeOptions node) => $"{node.ServiceId}/restoring/{node.ClusterId}";

    /// <summary>A shard of registered rooms: a hash by room.</summary>
    public static RedisKey Rooms(string service, int shard) => $"{service}/rooms/{shard}";
}
