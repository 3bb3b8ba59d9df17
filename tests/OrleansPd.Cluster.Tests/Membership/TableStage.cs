using System.Collections.Immutable;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Configuration;
using OrleansPd.Cluster.Tests.Processes;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Server.Redis;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Membership;

/// <summary>A real Redis with the membership table of Orleans' provider, and the tables of silos that have no process.</summary>
internal sealed class TableStage : IAsyncDisposable
{
    private readonly RedisProcess _process;
    private readonly ConnectionMultiplexer _redis;
    private readonly List<IHost> _hosts = [];

    private TableStage(RedisProcess process, ConnectionMultiplexer redis) => (_process, _redis) = (process, redis);

    public IDatabase Redis => _redis.GetDatabase();

    public static async Task<TableStage> StartAsync()
    {
        var process = await RedisProcess.StartAsync();
        return new(process, await ConnectionMultiplexer.ConnectAsync($"{process.Address},allowAdmin=true,asyncTimeout=20000"));
    }

    /// <summary>The table of a silo that has not joined.</summary>
    public async Task<Silo> AddAsync(int port, TimeProvider? clock = null)
    {
        var silo = Create(port, clock);
        await silo.Table.InitializeMembershipTableAsync(true, ClusterStage.Token);
        return silo;
    }

    /// <summary>The same, before it has looked at the table.</summary>
    public Silo Create(int port, TimeProvider? clock = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.UseOrleans(orleans =>
        {
            orleans.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("c", "s"));
            orleans.UseRedisClustering(options =>
            {
                options.ConfigurationOptions = ConfigurationOptions.Parse(_process.Address);
                options.CreateMultiplexer = _ => Task.FromResult<(IConnectionMultiplexer, bool)>((_redis, true));
            });
        });
        var host = builder.Build();
        _hosts.Add(host);
        return new Silo(host.Services.GetRequiredService<IMembershipTable>(), port, Redis, clock ?? TimeProvider.System);
    }

    /// <summary>Redis loses all that it has.</summary>
    public Task LoseAsync() => _redis.GetServer(_process.Address).FlushAllDatabasesAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
            host.Dispose();
        await _redis.DisposeAsync();
        await _process.DisposeAsync();
    }

    internal sealed class Silo
    {
        private ClusterMembershipSnapshot _received = new(
            ImmutableDictionary<SiloAddress, ClusterMember>.Empty, MembershipVersion.MinValue);

        public Silo(IMembershipTable provider, int port, IDatabase redis, TimeProvider clock)
        {
            Address = SiloAddress.New(new IPEndPoint(IPAddress.Loopback, port), 1);
            Table = new RestoringMembershipTable(
                provider, Address, redis, "s/restoring/c",
                new RedisRestart(redis, "c", isBrandNew: true, NullLogger<RedisRestart>.Instance),
                () => _received, clock, NullLogger<RestoringMembershipTable>.Instance);
        }

        public SiloAddress Address { get; }

        public RestoringMembershipTable Table { get; }

        public async Task<MembershipTableData> ReadAsync() => await Table.ReadAllAsync(ClusterStage.Token);

        public async Task<int> VersionAsync() => (await ReadAsync()).Version.Version;

        /// <summary>The state of a silo in the table; null = it has no row.</summary>
        public async Task<SiloStatus?> StatusAsync(Silo other) => (await ReadAsync()).TryGet(other.Address)?.Item1.Status;

        /// <summary>Writes its own row.</summary>
        public async Task JoinAsync()
        {
            var now = DateTime.UtcNow;
            var row = new MembershipEntry
            {
                SiloAddress = Address,
                Status = SiloStatus.Active,
                HostName = "host",
                SiloName = "silo",
                ProxyPort = 7,
                RoleName = "role",
                StartTime = now,
                IAmAliveTime = now,
            };
            Assert.True(await Table.InsertRowAsync(row, (await ReadAsync()).Version.Next(), ClusterStage.Token));
        }

        /// <summary>Declares another silo dead.</summary>
        public async Task KillAsync(Silo other)
        {
            var table = await ReadAsync();
            var (row, etag) = table.TryGet(other.Address)!;
            var dead = MembershipMemory.Copy(row, SiloStatus.Dead);
            Assert.True(await Table.UpdateRowAsync(dead, etag, table.Version.Next(), ClusterStage.Token));
        }

        /// <summary>Orleans receives the state of a silo from another one.</summary>
        public void Receive(Silo about, SiloStatus status, int version) => _received = new(
            _received.Members.SetItem(
                about.Address, new ClusterMember(about.Address, status, "silo")), new MembershipVersion(version));
    }
}
