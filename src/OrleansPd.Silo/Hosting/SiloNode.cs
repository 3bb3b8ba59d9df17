using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Serialization;
using Orleans.Storage;
using OrleansPd.Cluster;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Gateway;
using OrleansPd.Silo.Redis;
using StackExchange.Redis;
using GatewayOptions = OrleansPd.Gateway.GatewayOptions;
using PdClusterOptions = OrleansPd.Cluster.ClusterOptions;

namespace OrleansPd.Silo.Hosting;

/// <summary>One silo with its gateway, in this process.</summary>
internal sealed class SiloNode : IAsyncDisposable
{
    private readonly IHost _host;
    private readonly GatewayServer _gateway;

    private SiloNode(IHost host, GatewayServer gateway)
    {
        _host = host;
        _gateway = gateway;
    }

    public Uri Url => _gateway.Url;

    public ClusterControlPlane Plane => _host.Services.GetRequiredService<ClusterControlPlane>();

    /// <summary>Where other silos reach this one.</summary>
    public SiloAddress Address => _host.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    /// <summary>Names this life of the silo in the membership table.</summary>
    public string MemberName => Address.ToString()[1..];

    public ILogger Log => _host.Services.GetRequiredService<ILogger<SiloNode>>();

    /// <summary>Starts the silo, then the gateway. Comes back when both listen; engines need not be there yet.</summary>
    /// <param name="gateway">What the gateway was told.</param>
    /// <param name="settings">What the silo was told.</param>
    /// <param name="store">Where the cluster is kept.</param>
    /// <param name="logging">Where its log goes.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    public static async Task<SiloNode> StartAsync(
        GatewayOptions gateway, SiloSettings settings, Action<ISiloBuilder> store, Action<ILoggingBuilder> logging,
        CancellationToken cancellationToken)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        logging(builder.Logging);
        // Signals are the executable's: the gateway ends before the silo.
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.UseOrleans(silo => Configure(silo, gateway, settings, store));
        var host = builder.Build();
        try
        {
            await host.StartAsync(cancellationToken).ConfigureAwait(false);
            var plane = host.Services.GetRequiredService<ClusterControlPlane>();
            var server = await GatewayServer.StartAsync(gateway, plane, logging, cancellationToken: cancellationToken).ConfigureAwait(false);
            return new SiloNode(host, server);
        }
        catch
        {
            await StopHostAsync(host).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stores of a cluster that silos on many machines share.</summary>
    public static Action<ISiloBuilder> InRedis(IConnectionMultiplexer redis, string connection, SiloOptions options) => silo =>
    {
        var configuration = RedisConnection.Parse(connection);
        silo.UseRedisClustering(o =>
        {
            o.ConfigurationOptions = configuration;
            o.CreateMultiplexer = _ => Task.FromResult((redis, true));
        });
        silo.AddRedisGrainStorage(PdClusterOptions.Storage, o =>
        {
            o.ConfigurationOptions = configuration;
            o.CreateMultiplexer = _ => Task.FromResult((redis, true));
        });
        silo.Services.AddOptions<Orleans.Persistence.RedisStorageOptions>(PdClusterOptions.Storage)
            .PostConfigure<Serializer>((o, serializer) => o.GrainStorageSerializer = new OrleansGrainStorageSerializer(serializer));
        silo.UseRedisReminderService(o =>
        {
            o.ConfigurationOptions = configuration;
            o.CreateMultiplexer = _ => Task.FromResult((redis, true));
        });
        silo.Services.AddSingleton<IRoomLog>(new RedisRoomLog(redis, options.ServiceId));
    };

    /// <summary>Stores of a cluster of one machine, that end with its first silo.</summary>
    public static Action<ISiloBuilder> InMemory(int primaryPort, IRoomLog rooms) => silo =>
    {
        silo.UseDevelopmentClustering(new IPEndPoint(IPAddress.Loopback, primaryPort));
        silo.AddMemoryGrainStorage(PdClusterOptions.Storage);
        silo.UseInMemoryReminderService();
        silo.Services.AddSingleton(rooms);
    };

    /// <summary>Ends when the silo or its gateway has ended by itself, with the reason.</summary>
    public async Task<string> EndedAsync()
    {
        var stopped = new TaskCompletionSource();
        using var registration = _host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(stopped.SetResult);
        var died = Plane.Died;
        var first = await Task.WhenAny(died, _gateway.Completion, stopped.Task).ConfigureAwait(false);
        if (first == died)
        {
            var failure = await died.ConfigureAwait(false);
            return $"{failure.GetType().Name}: {failure.Message}";
        }
        return first == stopped.Task ? "the silo stopped by itself; its log says why." : "the gateway stopped by itself; its log says why.";
    }

    /// <summary>Stops in order: the gateway with its requests first, then the silo with its grains.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _gateway.StopAsync(cancellationToken).ConfigureAwait(false);
        await _host.StopAsync(CancellationToken.None).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync().ConfigureAwait(false);
        await StopHostAsync(_host).ConfigureAwait(false);
    }

    private static async Task StopHostAsync(IHost host)
    {
        await host.StopAsync().ConfigureAwait(false);
        host.Dispose();
    }

    private static void Configure(ISiloBuilder silo, GatewayOptions gateway, SiloSettings settings, Action<ISiloBuilder> store)
    {
        var options = settings.Silo;
        silo.Configure<Orleans.Configuration.ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
        silo.ConfigureEndpoints(AddressOf(options.Advertise), options.SiloPort, options.GatewayPort, listenOnAnyHostAddress: options.Advertise is null);
        silo.Configure<ClusterMembershipOptions>(o =>
        {
            o.ProbeTimeout = TimeSpan.FromMilliseconds(options.ProbeTimeoutMs);
            o.NumMissedProbesLimit = options.MissedProbes;
            o.NumVotesForDeathDeclaration = options.DeathVotes;
            o.EnableIndirectProbes = options.IndirectProbes;
            o.NumProbedSilos = 10;
            o.TableRefreshTimeout = TimeSpan.FromSeconds(2);
            o.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
        });
        silo.Configure<SiloMessagingOptions>(o => o.CancelRequestOnTimeout = true);
        silo.UseSiloMetadata(new Dictionary<string, string> { ["node"] = options.Node, ["zone"] = options.Zone });
        store(silo);
        silo.AddOrleansPd(gateway.ControlPlane, settings.Cluster);
    }

    private static IPAddress AddressOf(string? advertise)
    {
        if (advertise is not null)
        {
            return IPAddress.TryParse(advertise, out var given) ? given
                : Dns.GetHostAddresses(advertise).OrderBy(a => a.AddressFamily != AddressFamily.InterNetwork).First();
        }
        return NetworkInterface.GetAllNetworkInterfaces()
            .Where(n => n.OperationalStatus == OperationalStatus.Up && n.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(n => n.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork) ?? IPAddress.Loopback;
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
