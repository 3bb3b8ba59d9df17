using OrleansPd.Client.Contracts;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// What must be equal or compatible on all silos of a cluster: each silo stores its own in Redis while it runs, and a silo that
/// joins compares. Times are those of Redis, so that the machines' clocks do not matter.
/// </summary>
internal sealed class ClusterTerms(IDatabase redis, SiloSettings settings, RedisRestart restart, ILogger<ClusterTerms> log)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Validity = TimeSpan.FromSeconds(20);

    private readonly RedisKey _key = RedisKeys.Terms(settings.Node);
    private readonly CancellationTokenSource _stop = new();
    private string _self = "";
    private Task _loop = Task.CompletedTask;

    /// <summary>Compares with the terms of the running silos, then stores its own.</summary>
    /// <exception cref="CommandFailedException">They are not compatible.</exception>
    public async Task JoinAsync(IPEndPoint silo, CancellationToken cancellationToken)
    {
        await restart.AwaitClusterAsync(() => redis.KeyExistsAsync(_key).WaitAsync(cancellationToken), cancellationToken);
        _self = silo.ToString();
        var now = await NowAsync().WaitAsync(cancellationToken);
        foreach (var field in await redis.HashGetAllAsync(_key).WaitAsync(cancellationToken))
        {
            var other = JsonSerializer.Deserialize<Terms>((string)field.Value!)!;
            if (other.Until <= now)
                _ = redis.HashDeleteAsync(_key, field.Name, CommandFlags.FireAndForget);
            else if (field.Name != _self && Clash(field.Name.ToString(), other) is { } clash)
                throw new CommandFailedException(clash);
        }
        await StoreAsync().WaitAsync(cancellationToken);
    }

    public void Participate(ISiloLifecycle lifecycle) => lifecycle.Subscribe(
        nameof(ClusterTerms),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _loop = RenewAsync(_stop.Token);
            return Task.CompletedTask;
        },
        async _ =>
        {
            await _stop.CancelAsync();
            await _loop;
            await redis.HashDeleteAsync(_key, _self, CommandFlags.FireAndForget);
        });

    public void Dispose() => _stop.Dispose();

    private string? Clash(string silo, Terms other)
    {
        var mine = Mine(0);
        if (other.Spoken < mine.Oldest || mine.Spoken < other.Oldest)
        {
            var newer = mine.Spoken > other.Spoken;
            return $"versions clash: this build ({mine.Build}) speaks contracts {mine.Spoken} and understands "
                + $"{mine.Oldest} and later, silo {silo} "
                + $"({other.Build}) speaks {other.Spoken} and understands {other.Oldest} and later. "
                + (newer ? "Upgrade the cluster by way of a release between the two" : "Start a newer build here")
                + ", or form a separate cluster with --cluster-id and --service-id.";
        }
        return other.RoomShards != mine.RoomShards
            ? $"settings clash: Cluster:RoomShards is {mine.RoomShards} here and {other.RoomShards} on silo {silo}; "
                + "it must be the same on all silos."
            : null;
    }

    private Terms Mine(long until) => new(
        ContractVersion.Current, ContractVersion.Oldest, settings.Cluster.RoomShards,
        typeof(ClusterTerms).Assembly.GetName().Version?.ToString(3) ?? "", until);

    private async Task StoreAsync()
    {
        var until = await NowAsync() + (long)Validity.TotalMilliseconds;
        await redis.HashSetAsync(_key, _self, JsonSerializer.Serialize(Mine(until)));
    }

    private async Task<long> NowAsync()
    {
        var time = (RedisResult[])(await redis.ExecuteAsync("TIME"))!;
        return ((long)time[0] * 1000) + ((long)time[1] / 1000);
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        using var timer = new PeriodicTimer(Renewal);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                try
                {
                    await StoreAsync();
                }
                catch (Exception error) when (error is RedisException or TimeoutException)
                {
                    Log.RedisAway(log, error.Message);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    /// <param name="Spoken">Version of the contracts that the silo sends.</param>
    /// <param name="Oldest">The oldest version it understands.</param>
    /// <param name="RoomShards">Shards of the room table.</param>
    /// <param name="Build">The silo's version, for people.</param>
    /// <param name="Until">Valid until then, in milliseconds of Redis' clock.</param>
    private sealed record Terms(int Spoken, int Oldest, int RoomShards, string Build, long Until);
}
