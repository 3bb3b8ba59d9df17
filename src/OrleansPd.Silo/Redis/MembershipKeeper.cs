using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace OrleansPd.Silo.Redis;

/// <summary>
/// Guards the membership table against a Redis that comes back empty. Every silo keeps a copy of what it last saw; where the table
/// is gone, one of them puts it back as it was. Nothing can have changed meanwhile, since changes need the table. Where somebody has
/// begun a new table instead, this silo is no part of that cluster, and ends: two clusters must not rule the same engines.
/// </summary>
internal sealed class MembershipKeeper(IConnectionMultiplexer redis, string serviceId, string clusterId, string self, ILogger log)
{
    private const int MissesToEnd = 3;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private readonly RedisKey _key = $"{serviceId}/members/{clusterId}";
    private HashEntry[] _copy = [];

    /// <summary>Ends only when this silo must end, with the reason.</summary>
    public async Task<string> RunAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        var misses = 0;
        while (true)
        {
            await Task.Delay(Interval, clock, cancellationToken).ConfigureAwait(false);
            try
            {
                var table = await redis.GetDatabase().HashGetAllAsync(_key).WaitAsync(cancellationToken).ConfigureAwait(false);
                if (table.Any(row => ((string)row.Name!).Contains(self, StringComparison.Ordinal)))
                {
                    (_copy, misses) = (table, 0);
                    continue;
                }
                if (table.Length == 0 && _copy.Length > 0)
                {
                    await RestoreAsync(cancellationToken).ConfigureAwait(false);
                    continue;
                }
                if (_copy.Length > 0 && ++misses >= MissesToEnd)
                {
                    return "Redis was emptied and another cluster of the same name has begun there: this silo ends rather than rule the "
                        + "same engines beside it. Start it again to join.";
                }
            }
            catch (Exception e) when (e is RedisException or TimeoutException && !cancellationToken.IsCancellationRequested)
            {
                misses = 0; // Redis is away: nothing is known
            }
        }
    }

    private async Task RestoreAsync(CancellationToken cancellationToken)
    {
        var transaction = redis.GetDatabase().CreateTransaction();
        transaction.AddCondition(Condition.KeyNotExists(_key));
        _ = transaction.HashSetAsync(_key, _copy);
        _ = transaction.StringSetAsync(RedisConnection.ContractsKey(serviceId), RedisConnection.Contracts);
        if (await transaction.ExecuteAsync().WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            SiloLog.MembershipRestored(log, _copy.Length - 1);
        }
    }
}
