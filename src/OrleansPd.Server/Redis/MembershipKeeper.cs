using System.Globalization;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// Puts the membership table back when Redis comes up empty. Silos that run go on with the table they know, but silos that start
/// then would see no others and make a cluster of their own under the same name. Each silo therefore remembers the table as it
/// was and, when its own row is gone, stores all of it in one transaction, under a version that is newer for everybody.
/// </summary>
internal sealed class MembershipKeeper(
    IDatabase redis, RedisKey table, string self, TimeSpan interval, TimeProvider clock, ILogger<MembershipKeeper> log)
    : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly RedisValue Version = "Version";
    private readonly CancellationTokenSource _stop = new();
    private HashEntry[] _remembered = [];
    private Task _loop = Task.CompletedTask;

    public void Participate(ISiloLifecycle lifecycle) => lifecycle.Subscribe(
        nameof(MembershipKeeper),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _loop = RunAsync(_stop.Token);
            return Task.CompletedTask;
        },
        async _ =>
        {
            // Before the silo takes its own row out of the game.
            await _stop.CancelAsync();
            await _loop;
        });

    /// <summary>Looks once.</summary>
    /// <returns>Whether the table was put back.</returns>
    internal async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        var rows = await redis.HashGetAllAsync(table).WaitAsync(cancellationToken);
        if (rows.Any(row => row.Name == self))
        {
            _remembered = rows;
            return false;
        }
        if (_remembered.Length == 0)
        {
            return false; // never seen with us in it
        }
        var transaction = redis.CreateTransaction();
        transaction.AddCondition(Condition.HashNotExists(table, self));
        var found = rows.FirstOrDefault(row => row.Name == Version).Value;
        transaction.AddCondition(
            found.IsNull ? Condition.HashNotExists(table, Version) : Condition.HashEqual(table, Version, found));
        // Silos that started meanwhile have rows of their own, which stand.
        var known = rows.Select(row => row.Name).ToHashSet();
        var missing = _remembered.Where(row => row.Name != Version && !known.Contains(row.Name)).ToArray();
        _ = transaction.HashSetAsync(table, [.. missing, new HashEntry(Version, NewerThan(found))]);
        if (!await transaction.ExecuteAsync().WaitAsync(cancellationToken))
        {
            return false; // another silo was faster
        }
        Log.MembershipPutBack(log, missing.Length);
        return true;
    }

    private string NewerThan(RedisValue found)
    {
        var remembered = _remembered.FirstOrDefault(row => row.Name == Version).Value;
        return (Math.Max(Number(remembered), Number(found)) + 1).ToString(CultureInfo.InvariantCulture);

        static long Number(RedisValue version) => version.TryParse(out long number) ? number : 0;
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        using var timer = new PeriodicTimer(interval, clock);
        try
        {
            do
            {
                try
                {
                    await LookAsync(cancellationToken);
                }
                catch (Exception error) when (error is RedisException or TimeoutException)
                {
                    Log.RedisAway(log, error.Message); // the next look will do
                }
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }
}
