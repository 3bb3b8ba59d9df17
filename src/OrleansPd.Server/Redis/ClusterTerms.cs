using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OrleansPd.Client.Contracts;
using OrleansPd.Server.Settings;
using OrleansPd.Tools.Output;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// What must be the same or fit on all silos of a cluster: each says it in Redis while it lives, and who comes later compares.
/// Times are those of Redis, so that clocks of machines do not matter.
/// </summary>
internal sealed class ClusterTerms(IDatabase redis, SiloSettings settings, bool isBrandNew, ILogger<ClusterTerms> log)
    : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Validity = TimeSpan.FromSeconds(20);

    /// <summary>Redis that has run for longer than this and knows no such cluster: there is none.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    private readonly RedisKey _key = RedisKeys.Terms(settings.Node);
    private readonly CancellationTokenSource _stop = new();
    private string _self = "";
    private Task _loop = Task.CompletedTask;

    /// <summary>Compares with those that are there, then says ours.</summary>
    /// <exception cref="CommandFailedException">They do not fit.</exception>
    public async Task JoinAsync(IPEndPoint silo, CancellationToken cancellationToken)
    {
        if (!isBrandNew)
        {
            await SettleAsync(cancellationToken);
        }
        _self = silo.ToString();
        var now = await NowAsync().WaitAsync(cancellationToken);
        foreach (var field in await redis.HashGetAllAsync(_key).WaitAsync(cancellationToken))
        {
            var other = JsonSerializer.Deserialize<Terms>((string)field.Value!)!;
            if (other.Until <= now)
            {
                _ = redis.HashDeleteAsync(_key, field.Name, CommandFlags.FireAndForget);
            }
            else if (field.Name != _self && Clash(field.Name.ToString(), other) is { } clash)
            {
                throw new CommandFailedException(clash);
            }
        }
        await SayAsync().WaitAsync(cancellationToken);
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
                + ", or make a cluster of its own with --cluster-id and --service-id.";
        }
        return other.RoomShards != mine.RoomShards
            ? $"settings clash: Cluster:RoomShards is {mine.RoomShards} here and {other.RoomShards} on silo {silo}; "
                + "it must be the same on all silos."
            : null;
    }

    private Terms Mine(long until) => new(
        ContractVersion.Spoken, ContractVersion.Oldest, settings.Cluster.RoomShards,
        typeof(ClusterTerms).Assembly.GetName().Version?.ToString(3) ?? "", until);

    private async Task SayAsync()
    {
        var until = await NowAsync() + (long)Validity.TotalMilliseconds;
        await redis.HashSetAsync(_key, _self, JsonSerializer.Serialize(Mine(until)));
    }

    private async Task<long> NowAsync()
    {
        var time = (RedisResult[])(await redis.ExecuteAsync("TIME"))!;
        return ((long)time[0] * 1000) + ((long)time[1] / 1000);
    }

    /// <summary>
    /// A Redis that has just started may have lost a cluster whose silos still run: they store it again within seconds, and
    /// whoever joins before that would be alone.
    /// </summary>
    private async Task SettleAsync(CancellationToken cancellationToken)
    {
        var members = RedisKeys.Members(settings.Node);
        for (var told = false; ; told = true)
        {
            if (await redis.KeyExistsAsync(members).WaitAsync(cancellationToken))
            {
                return;
            }
            if (await UptimeAsync().WaitAsync(cancellationToken) is not { } uptime || uptime >= Settled)
            {
                return;
            }
            if (!told)
            {
                Log.AwaitingSilos(log, settings.Node.ClusterId, (int)(Settled - uptime).TotalSeconds);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(250), cancellationToken);
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
            return null; // a service that does not let us ask
        }
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
                    await SayAsync();
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

    /// <param name="Spoken">Version of the contracts it speaks.</param>
    /// <param name="Oldest">The oldest it understands.</param>
    /// <param name="RoomShards">Shards of the room table.</param>
    /// <param name="Build">Its version, for people.</param>
    /// <param name="Until">Until when this holds, in milliseconds of Redis' clock.</param>
    private sealed record Terms(int Spoken, int Oldest, int RoomShards, string Build, long Until);
}
