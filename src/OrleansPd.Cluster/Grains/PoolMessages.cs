using OrleansPd.Client.Contracts;
using OrleansPd.Core.Credits;

namespace OrleansPd.Cluster.Grains;

/// <summary>Pools as they go over the wire, and as Core holds them.</summary>
internal static class PoolMessages
{
    public static PoolState State(this PoolSnapshot pool) =>
        new(pool.Key, pool.Epoch, pool.Version, new(pool.TargetSize, pool.TargetAt), pool.IsBlank, pool.Workers);

    public static PoolSnapshot Snapshot(this PoolState pool) =>
        new(pool.Key, pool.Epoch, pool.Version, pool.TargetSize.Workers, pool.Workers, pool.IsBlank, pool.TargetSize.At);

    public static PoolSize Size(string pool, TargetSize targetSize) => new(pool, targetSize.Workers, targetSize.At);

    public static TargetSize ToTargetSize(this PoolSize size) => new(size.TargetSize, size.At);
}
