using OrleansPd.Server.Commands;
using StackExchange.Redis;

namespace OrleansPd.Silo.Redis;

/// <summary>The one connection of a silo to its Redis.</summary>
internal static class RedisConnection
{
    /// <summary>The version of what silos say to each other and store. Silos of different ones must not meet.</summary>
    public const int Contracts = 1;

    /// <summary>Where that version is kept.</summary>
    public static RedisKey ContractsKey(string serviceId) => $"{serviceId}/orleanspd/contracts";

    /// <summary>Connects, and looks whether silos of the same contracts are there.</summary>
    /// <exception cref="CommandFailedException">No Redis answers, or others speak another version.</exception>
    public static async Task<ConnectionMultiplexer> OpenAsync(string redis, string serviceId, CancellationToken cancellationToken)
    {
        var options = Parse(redis);
        options.AbortOnConnectFail = true;
        options.ConnectTimeout = 3000;
        ConnectionMultiplexer connection;
        try
        {
            connection = await ConnectionMultiplexer.ConnectAsync(options).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (RedisConnectionException error)
        {
            throw new CommandFailedException(
                $"no Redis answers at {redis} ({error.FailureType}): start one there, or name another with --redis.");
        }
        try
        {
            var key = ContractsKey(serviceId);
            var database = connection.GetDatabase();
            await database.StringSetAsync(key, Contracts, when: When.NotExists).WaitAsync(cancellationToken).ConfigureAwait(false);
            var found = (int?)await database.StringGetAsync(key).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (found is { } other && other != Contracts)
            {
                throw new CommandFailedException(
                    $"the service '{serviceId}' at {redis} is of contracts version {other}, this silo of {Contracts}: "
                    + "give this version a --service-id of its own and move the traffic over (docs/cluster.md, Upgrades).");
            }
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <exception cref="BadInputException">It is no address of a Redis.</exception>
    public static ConfigurationOptions Parse(string redis)
    {
        try
        {
            var options = ConfigurationOptions.Parse(redis);
            return options.EndPoints.Count > 0 ? options : throw new BadInputException($"--redis: '{redis}' names no host.");
        }
        catch (ArgumentException error)
        {
            throw new BadInputException($"--redis: '{redis}' is no address of a Redis: {error.Message}");
        }
    }
}
