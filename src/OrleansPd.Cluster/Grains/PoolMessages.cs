namespace OrleansPd.Cluster.Grains;

/// <summary>Converts pools between messages and Core's types.</summary>
internal static class PoolMessages
{
    public static PoolState State(this PoolSnapshot pool) =>
        new(pool.Key, pool.Epoch, pool.Version, new(pool.TargetSize, pool.TargetAt), pool.IsBlank, pool.Workers);

    public static PoolSnapshot Snapshot(this PoolState pool) =>
        new(pool.Key, pool.Epoch, pool.Version, pool.TargetSize.Workers, pool.Workers, pool.IsBlank, pool.TargetSize.At);

    public static PoolSize Size(string pool, TargetSize targetSize) => new(pool, targetSize.Workers, targetSize.At);

    public static TargetSize ToTargetSize(this PoolSize size) => new(size.TargetSize, size.At);
}
