using Orleans.Clustering.Redis;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// Reads the membership table regularly, so that a lost one is restored soon after Redis is back: Orleans reads it less and less
/// often while Redis does not answer, up to once a minute. What is read is given to Orleans.
/// </summary>
internal sealed class MembershipWatch(
    IMembershipTable table, IClusterMembershipService membership, TimeSpan interval, TimeProvider clock,
    ILogger<MembershipWatch> log)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    public void Participate(ISiloLifecycle lifecycle) => lifecycle.Subscribe(
        nameof(MembershipWatch),
        ServiceLifecycleStage.Active,
        _ =>
        {
            _loop = RunAsync(_stop.Token);
            return Task.CompletedTask;
        },
        async _ =>
        {
            // Before the silo marks its own row as leaving.
            await _stop.CancelAsync();
            await _loop;
        });

    public void Dispose() => _stop.Dispose();

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        using var timer = new PeriodicTimer(interval, clock);
        var answers = true;
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                var failure = await ReadAsync(cancellationToken);
                if (failure is not null && answers)
                    Log.RedisLost(log, failure.Message);
                else if (failure is null && !answers)
                    Log.RedisBack(log);
                answers = failure is null;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    /// <returns>Why Redis could not be read; null = it was. It is read again at the next tick.</returns>
    private async Task<Exception?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            var version = new MembershipVersion((await table.ReadAllAsync(cancellationToken)).Version.Version);
            if (version > membership.CurrentSnapshot.Version)
                await membership.Refresh(version, cancellationToken);
            return null;
        }
        catch (Exception error) when (error is RedisException or RedisClusteringException or TimeoutException)
        {
            return error;
        }
    }
}
