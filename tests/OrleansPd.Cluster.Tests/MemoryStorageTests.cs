using System.Collections.Immutable;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;
using Orleans.TestingHost;
using OrleansPd.Cluster.Grains;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Tests;

public class MemoryStorageTests
{
    [Fact]
    public async Task Grain_state_in_memory_storage_can_be_read_back()
    {
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) => silo.AddOrleansPdMemoryStorage());
        await using var cluster = await builder.BuildAsync();
        await cluster.DeployAsync(TestContext.Current.CancellationToken);
        var storage = cluster.Silos[0].ServiceProvider.GetRequiredKeyedService<IGrainStorage>(PdClusterOptions.Storage);

        var fleet = await ThereAndBackAsync(storage, "fleet", new FleetRecord
        {
            Pools = ["decode/model"],
            Prefixes = new Dictionary<int, string> { [3] = "127.0.0.1:11111@1" }.ToImmutableSortedDictionary(),
        });
        Assert.Equal(["decode/model"], fleet.Pools);
        Assert.Equal("127.0.0.1:11111@1", fleet.Prefixes[3]);

        var pool = await ThereAndBackAsync(storage, "pool", new PoolRecord
        {
            Members = [new(new("w"), new() { Role = WorkerRole.Decode, Url = new("http://10.0.0.1:30000"), ApiKey = "key" }, 7)],
            TargetSize = 4,
        });
        Assert.Equal(("w", "key", 7L), (pool.Members[0].Id.Value, pool.Members[0].Spec.ApiKey, pool.Members[0].Registration));
        Assert.Equal(4, pool.TargetSize);
    }

    private static async Task<T> ThereAndBackAsync<T>(IGrainStorage storage, string name, T record)
    {
        var grain = GrainId.Create(name, "0");
        await storage.WriteStateAsync(name, grain, new GrainState<T>(record));
        var read = new GrainState<T>();
        await storage.ReadStateAsync(name, grain, read);
        Assert.True(read.RecordExists);
        Assert.NotNull(read.State);
        return read.State;
    }
}
