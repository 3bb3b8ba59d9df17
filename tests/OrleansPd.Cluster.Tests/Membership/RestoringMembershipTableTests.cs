using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests.Membership;

/// <summary>A Redis that loses the membership table, and silos that read and write it at that moment.</summary>
public class RestoringMembershipTableTests(ITestOutputHelper output)
{
    [Fact]
    public async Task An_empty_Redis_gets_all_rows_back_under_a_newer_version()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, b) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await b.JoinAsync();
        var before = await a.VersionAsync();
        await stage.LoseAsync();
        Assert.True(await a.VersionAsync() > before);
        Assert.Equal(SiloStatus.Active, await a.StatusAsync(a));
        Assert.Equal(SiloStatus.Active, await a.StatusAsync(b));
        var row = (await b.ReadAsync()).TryGet(b.Address)!.Item1;
        Assert.Equal(("host", "silo", 7, "role"), (row.HostName, row.SiloName, row.ProxyPort, row.RoleName));
        Assert.False(await stage.Redis.KeyExistsAsync("s/restoring/c"));
    }

    [Fact]
    public async Task A_table_with_a_long_history_is_restored_too()
    {
        const int changes = 3000;
        await using var stage = await TableStage.StartAsync();
        await stage.Redis.HashSetAsync("s/members/c", "Version", changes);
        var (a, b) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await b.JoinAsync();
        await a.ReadAsync();
        await stage.LoseAsync();
        var began = Stopwatch.GetTimestamp();
        var versions = await Task.WhenAll(a.VersionAsync(), b.VersionAsync());
        output.WriteLine($"{Stopwatch.GetElapsedTime(began).TotalSeconds:0.00} s");
        Assert.All(versions, version => Assert.InRange(version, changes + 3, changes + 10));
    }

    [Fact]
    public async Task Nothing_is_written_while_nothing_is_lost()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, b) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await b.JoinAsync();
        var reads = Enumerable.Range(0, 200).Select(i => Task.Run(() => (i % 2 == 0 ? a : b).VersionAsync()));
        Assert.All(await Task.WhenAll(reads), version => Assert.Equal(2, version));
        await b.KillAsync(a);
        Assert.Equal(3, await b.VersionAsync());
    }

    [Fact]
    public async Task Reads_that_race_with_writes_are_no_loss()
    {
        await using var stage = await TableStage.StartAsync();
        var silos = new List<TableStage.Silo>();
        for (var port = 1; port <= 4; port++)
            silos.Add(await stage.AddAsync(port));
        await silos[0].JoinAsync();
        using var stop = new CancellationTokenSource();
        var reading = silos.Select(silo => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
                await silo.ReadAsync();
        })).ToArray();
        for (var i = 1; i < silos.Count; i++)
            await silos[i].JoinAsync();
        await silos[0].KillAsync(silos[3]);
        await stop.CancelAsync();
        await Task.WhenAll(reading);
        Assert.Equal(5, await silos[0].VersionAsync()); // four joined and one died; whatever is restored would count further
    }

    [Fact]
    public async Task Silos_that_restore_at_once_lose_no_row()
    {
        await using var stage = await TableStage.StartAsync();
        var silos = new List<TableStage.Silo>();
        for (var port = 1; port <= 6; port++)
        {
            silos.Add(await stage.AddAsync(port));
            await silos[^1].JoinAsync(); // and reads no more: each knows only those that joined before
        }
        for (var round = 0; round < 5; round++)
        {
            await stage.LoseAsync();
            await Task.WhenAll(silos.Select(silo => Task.Run(silo.ReadAsync)));
            foreach (var silo in silos)
            {
                foreach (var other in silos)
                    Assert.Equal(SiloStatus.Active, await silo.StatusAsync(other));
            }
        }
        Assert.Single((await Task.WhenAll(silos.Select(silo => silo.VersionAsync()))).Distinct());
    }

    [Fact]
    public async Task A_silo_that_joined_just_before_the_loss_stays()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, b) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await b.JoinAsync(); // A has not read the table since
        await stage.LoseAsync();
        var restored = await a.VersionAsync();
        Assert.Equal(SiloStatus.Active, await b.StatusAsync(b));
        Assert.Equal(SiloStatus.Active, await a.StatusAsync(b));
        Assert.True(await a.VersionAsync() > restored);
    }

    [Fact]
    public async Task A_silo_of_which_only_its_state_was_received_is_not_left_out()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, b) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await b.JoinAsync();
        a.Receive(b, SiloStatus.Active, version: 2);
        await stage.LoseAsync();
        // A newer table without B would be B's death for all that had seen it.
        Assert.Equal(SiloStatus.Active, await a.StatusAsync(b));
        Assert.True(await a.VersionAsync() > 2);
        var row = (await b.ReadAsync()).TryGet(b.Address)!.Item1;
        Assert.Equal(("host", 7), (row.HostName, row.ProxyPort));
        Assert.Equal("host", (await a.ReadAsync()).TryGet(b.Address)!.Item1.HostName);
    }

    [Fact]
    public async Task A_silo_that_was_declared_dead_stays_dead()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, b, dead) = (await stage.AddAsync(1), await stage.AddAsync(2), await stage.AddAsync(3));
        foreach (var silo in new[] { a, b, dead })
            await silo.JoinAsync();
        await a.ReadAsync();
        await b.KillAsync(dead); // A does not know
        await stage.LoseAsync();
        await a.ReadAsync();
        Assert.Equal(SiloStatus.Dead, await b.StatusAsync(dead));
        Assert.Equal(SiloStatus.Dead, await a.StatusAsync(dead));
    }

    [Fact]
    public async Task A_dead_silo_that_continues_and_restores_first_ends_up_dead()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, dead) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await dead.JoinAsync();
        await a.KillAsync(dead);
        await stage.LoseAsync();
        Assert.Equal(SiloStatus.Active, await dead.StatusAsync(dead)); // it does not know
        Assert.Equal(SiloStatus.Dead, await a.StatusAsync(dead));
        Assert.Equal(SiloStatus.Dead, await dead.StatusAsync(dead));
    }

    [Fact]
    public async Task A_death_that_was_only_received_counts()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, dead) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await dead.JoinAsync();
        await a.ReadAsync();
        a.Receive(dead, SiloStatus.Dead, version: 3);
        await stage.LoseAsync();
        Assert.Equal(SiloStatus.Dead, await a.StatusAsync(dead));
    }

    [Fact]
    public async Task A_silo_whose_row_was_removed_long_ago_does_not_come_back()
    {
        await using var stage = await TableStage.StartAsync();
        var clock = new FakeTimeProvider();
        var (a, removed) = (await stage.AddAsync(1), await stage.AddAsync(2, clock));
        await a.JoinAsync();
        await removed.JoinAsync();
        await removed.ReadAsync();
        await a.KillAsync(removed);
        await stage.Redis.HashDeleteAsync("s/members/c", removed.Address.ToString()); // as Orleans' cleanup does
        clock.Advance(TimeSpan.FromHours(2)); // it was paused
        Assert.Null(await removed.StatusAsync(removed));
        Assert.Null(await a.StatusAsync(removed));
    }

    [Fact]
    public async Task A_silo_that_leaves_restores_nothing()
    {
        await using var stage = await TableStage.StartAsync();
        var (a, b) = (await stage.AddAsync(1), await stage.AddAsync(2));
        await a.JoinAsync();
        await b.JoinAsync();
        await a.KillAsync(a); // as it does at its end
        await stage.LoseAsync();
        await Assert.ThrowsAnyAsync<Exception>(a.ReadAsync);
        Assert.Equal(SiloStatus.Active, await b.StatusAsync(b));
    }

    [Fact]
    public async Task A_silo_that_starts_waits_while_another_one_restores()
    {
        await using var stage = await TableStage.StartAsync();
        Assert.True(await stage.Redis.LockTakeAsync("s/restoring/c", "another", TimeSpan.FromMinutes(1)));
        var late = stage.Create(1);
        var starting = late.Table.InitializeMembershipTableAsync(true, ClusterStage.Token);
        await Task.Delay(TimeSpan.FromMilliseconds(300), ClusterStage.Token);
        Assert.False(starting.IsCompleted);
        Assert.True(await stage.Redis.LockReleaseAsync("s/restoring/c", "another"));
        await starting;
        Assert.Equal(0, await late.VersionAsync());
    }
}
