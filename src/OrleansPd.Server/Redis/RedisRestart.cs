using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// A Redis that has just started may have lost a cluster whose silos still run. They store it again within seconds; a silo that
/// joined before that would form a second cluster.
/// </summary>
/// <param name="redis">The Redis.</param>
/// <param name="cluster">The cluster's id, for the log.</param>
/// <param name="isBrandNew">No silo of this cluster can have run before.</param>
/// <param name="log">Where it reports that it waits.</param>
internal sealed class RedisRestart(IDatabase redis, string cluster, bool isBrandNew, ILogger<RedisRestart> log)
{
    /// <summary>Running silos have stored their cluster in a Redis that has run for so long.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250);

    /// <summary>Waits until the cluster is there, or Redis has run for ten seconds without it.</summary>
    public async Task AwaitClusterAsync(Func<Task<bool>> exists, CancellationToken cancellationToken)
    {
        for (var logged = isBrandNew; !isBrandNew && !await exists(); logged = true)
        {
            if (await UptimeAsync().WaitAsync(cancellationToken) is not { } uptime || uptime >= Settled)
                return;
            if (!logged)
                Log.AwaitingSilos(log, cluster, (int)(Settled - uptime).TotalSeconds);
            await Task.Delay(Poll, TimeProvider.System, cancellationToken);
        }
    }

    private async Task<TimeSpan?> UptimeAsync()
    {
        const string field = "uptime_in_seconds:";
        try
        {
            var info = (string?)await redis.ExecuteAsync("INFO", "server") ?? "";
            var line = info.Split('\n').FirstOrDefault(l => l.StartsWith(field, StringComparison.Ordinal));
            return line is null ? null
                : TimeSpan.FromSeconds(long.Parse(line[field.Length..].Trim(), CultureInfo.InvariantCulture));
        }
        catch (RedisServerException)
        {
            return null; // a service that does not allow INFO
        }
    }
}
