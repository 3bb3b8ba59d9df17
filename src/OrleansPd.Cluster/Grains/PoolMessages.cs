using OrleansPd.Client.Contracts;
using OrleansPd.Core.Credits;

namespace OrleansPd.Cluster.Grains;

/// <summary>Pools as they go over the wire, and as Core holds them.</summary>
internal static class PoolMessages
{
    public static PoolState State(this PoolSnapshot pool) =>
        new(pool.Key, pool.Epoch, pool.Version, new(pool.Wanted, pool.TargetAt), pool.IsBlank, pool.Workers);

    public static PoolSnapshot Snapshot(this PoolState pool) =>
        new(pool.Key, pool.Epoch, pool.Version, pool.Wanted.Workers, pool.Workers, pool.IsBlank, pool.Wanted.At);

    public static PoolSize Size(string pool, TargetSize wanted) => new(pool, wanted.Workers, wanted.At);

    public static TargetSize Wanted(this PoolSize size) => new(size.Wanted, size.At);
}
