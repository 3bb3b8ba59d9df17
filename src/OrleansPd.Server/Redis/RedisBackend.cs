using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Persistence;
using Orleans.Serialization;
using Orleans.Storage;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Server.Hosting;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>One connection to Redis for membership, stored state, reminders and rooms.</summary>
internal sealed class RedisBackend : IBackend, IAsyncDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private readonly SiloSettings _settings;
    private readonly ConfigurationOptions _configuration;
    private readonly ConnectionMultiplexer _redis;
    private readonly ILoggerFactory _loggers;
    private readonly RedisRestart _restart;
    private readonly ClusterTerms _terms;

    private RedisBackend(
        SiloSettings settings, ConfigurationOptions configuration, ConnectionMultiplexer redis, IPAddress address,
        ILoggerFactory loggers, bool isBrandNew)
    {
        (_settings, _configuration, _redis, _loggers, Address) = (settings, configuration, redis, loggers, address);
        _restart = new RedisRestart(
            redis.GetDatabase(), settings.Node.ClusterId, isBrandNew, loggers.CreateLogger<RedisRestart>());
        _terms = new ClusterTerms(redis.GetDatabase(), settings, _restart, loggers.CreateLogger<ClusterTerms>());
    }

    public IPAddress Address { get; }

    /// <param name="settings">Names the Redis and the cluster.</param>
    /// <param name="logging">Where it writes its log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="isBrandNew">
    /// No silo of this cluster can have run before: a Redis that has just started cannot have lost it.
    /// </param>
    /// <exception cref="CommandFailedException">Redis does not answer, or refuses the password.</exception>
    public static async Task<RedisBackend> ConnectAsync(
        SiloSettings settings, Action<ILoggingBuilder> logging, CancellationToken cancellationToken, bool isBrandNew = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(settings.Node.Redis);
        var configuration = ConfigurationOptions.Parse(settings.Node.Redis);
        // Only the first connection may fail; a lost one is made again for as long as it takes.
        configuration.AbortOnConnectFail = true;
        configuration.AllowAdmin = true; // the client demands it for INFO
        configuration.ClientName ??= "orleanspd";
        configuration.ConnectRetry = 1;
        configuration.ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds;
        configuration.ReconnectRetryPolicy = new LinearRetry(500);
        configuration.AsyncTimeout = 2000;
        configuration.SyncTimeout = 2000;
        var loggers = LoggerFactory.Create(logging);
        ConnectionMultiplexer? redis = null;
        try
        {
            redis = await ConnectionMultiplexer.ConnectAsync(configuration).WaitAsync(cancellationToken);
            await redis.GetDatabase().PingAsync().WaitAsync(cancellationToken);
            var address = settings.Node.Advertise is { } given
                ? IPAddress.Parse(given)
                : await TowardsAsync(redis.GetEndPoints()[0], cancellationToken);
            return new RedisBackend(settings, configuration, redis, address, loggers, isBrandNew);
        }
        catch (Exception error)
        {
            redis?.Dispose();
            loggers.Dispose();
            if (error is not (RedisException or TimeoutException or SocketException))
                throw;
            var where = ServiceAccess.Addresses(configuration);
            throw new CommandFailedException(IsLockedOut(error)
                ? $"Redis at {where} wants a password, or another one: set ORLEANSPD_SILO__REDIS=HOST:PORT,password=..."
                : $"Redis at {where} does not answer: start it, or name another with --redis.{Reason(error)}");
        }
    }

    public void AddTo(ISiloBuilder silo, NodeOptions node)
    {
        silo.UseRedisClustering(options =>
        {
            options.ConfigurationOptions = _configuration;
            options.CreateMultiplexer = _ => Task.FromResult<(IConnectionMultiplexer, bool)>((_redis, true));
        });
        silo.AddRedisGrainStorage(
            OrleansPd.Cluster.Options.PdClusterOptions.Storage, (OptionsBuilder<RedisStorageOptions> builder) =>
            builder.Configure((RedisStorageOptions options, Serializer serializer) =>
            {
                options.ConfigurationOptions = _configuration;
                options.CreateMultiplexer = _ => Task.FromResult<(IConnectionMultiplexer, bool)>((_redis, true));
                // Stored state is versioned like messages, by ids and aliases, so that old and new silos read each other's.
                options.GrainStorageSerializer = new OrleansGrainStorageSerializer(serializer);
            }));
        silo.UseRedisReminderService(options =>
        {
            options.ConfigurationOptions = _configuration;
            options.CreateMultiplexer = _ => Task.FromResult<(IConnectionMultiplexer, bool)>((_redis, true));
        });
        silo.Services.AddSingleton<IRoomLog>(new RedisRoomLog(_redis.GetDatabase(), node.ServiceId));
        AddRestoring(silo, node);
        silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(_terms);
    }

    /// <summary>Puts <see cref="RestoringMembershipTable"/> in front of the provider's table.</summary>
    private void AddRestoring(ISiloBuilder silo, NodeOptions node)
    {
        var provider = silo.Services.Last(service => service.ServiceType == typeof(IMembershipTable));
        silo.Services.Remove(provider);
        silo.Services.AddSingleton<IMembershipTable>(services => new RestoringMembershipTable(
            (IMembershipTable)provider.ImplementationFactory!(services),
            services.GetRequiredService<ILocalSiloDetails>().SiloAddress,
            _redis.GetDatabase(),
            RedisKeys.Restoring(node),
            _restart,
            () => services.GetRequiredService<IClusterMembershipService>().CurrentSnapshot,
            services.GetRequiredService<TimeProvider>(),
            _loggers.CreateLogger<RestoringMembershipTable>()));
        silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(services => new MembershipWatch(
            services.GetRequiredService<IMembershipTable>(),
            services.GetRequiredService<IClusterMembershipService>(),
            TimeSpan.FromSeconds(node.TableRefreshSecs),
            services.GetRequiredService<TimeProvider>(),
            _loggers.CreateLogger<MembershipWatch>()));
    }

    public Task JoinAsync(IPEndPoint silo, CancellationToken cancellationToken) => _terms.JoinAsync(silo, cancellationToken);

    /// <summary>Deletes everything under the service id, for a cluster that will never be started again.</summary>
    public async Task ForgetServiceAsync()
    {
        try
        {
            foreach (var server in _redis.GetServers())
            {
                await foreach (var key in server.KeysAsync(pattern: $"{_settings.Node.ServiceId}/*"))
                    await _redis.GetDatabase().KeyDeleteAsync(key);
            }
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            Log.RedisAway(_loggers.CreateLogger<RedisBackend>(), error.Message); // what is left stays
        }
    }

    public async ValueTask DisposeAsync()
    {
        _terms.Dispose();
        await _redis.DisposeAsync();
        _loggers.Dispose();
    }

    /// <summary>The address of this machine from which Redis is reached; nothing is sent.</summary>
    private static async Task<IPAddress> TowardsAsync(EndPoint redis, CancellationToken cancellationToken)
    {
        var target = redis switch
        {
            IPEndPoint ip => ip,
            DnsEndPoint dns => new IPEndPoint(
                (await Dns.GetHostAddressesAsync(dns.Host, cancellationToken))[0], dns.Port),
            _ => new IPEndPoint(IPAddress.Loopback, 1), // a socket file: Redis is on this machine
        };
        using var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(target);
        var address = ((IPEndPoint)socket.LocalEndPoint!).Address;
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    private static bool IsLockedOut(Exception error) => error.Message.Contains("NOAUTH", StringComparison.Ordinal)
        || error.Message.Contains("WRONGPASS", StringComparison.Ordinal)
        || (error as RedisConnectionException)?.FailureType == ConnectionFailureType.AuthenticationFailure;

    /// <summary>The client's message without its advice to programmers.</summary>
    private static string Reason(Exception error)
    {
        var text = error.Message.Split('\n')[0];
        var end = text.IndexOf("To allow this multiplexer", StringComparison.Ordinal);
        text = (end < 0 ? text : text[..end]).Trim();
        return text.Length == 0 ? "" : $" ({text})";
    }
}
