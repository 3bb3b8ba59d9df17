using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>
/// A reminder for each room against one for each of 16 shards: so many rooms are woken when their silo has died.
/// </summary>
internal static class RemindersCommand
{
    private const int Shards = 16;

    /// <param name="rooms">So many.</param>
    /// <param name="period">A minute is what Orleans wants at least; a shorter one shows the same ticks sooner.</param>
    public static async Task<int> RunAsync(int rooms, TimeSpan period)
    {
        await RunAsync("a reminder for each room", rooms, rooms, period);
        await RunAsync("a reminder for each shard (what ships)", rooms, Shards, period);
        return 0;
    }

    private static async Task RunAsync(string name, int rooms, int reminders, TimeSpan period)
    {
        Console.WriteLine($"\n== {name}: {reminders} reminders for {rooms} rooms");
        using var redis = await BenchRedis.StartAsync();
        using var host = await BenchSilo.StartAsync(redis.Address, "reminders");
        var grains = host.Services.GetRequiredService<IGrainFactory>();
        var wakings = host.Services.GetRequiredService<Wakings>();
        // Until the code is compiled.
        await Work.MeasureAsync(redis, Math.Min(rooms, 2000), async i =>
        {
            await grains.GetGrain<IWoken>(-1 - i).Remind(TimeSpan.FromHours(1));
            await grains.GetGrain<IWoken>(-1 - i).Forget();
        });
        var (heap, stored) = (Work.Heap(), redis.Read().Bytes);
        var registered = await Work.MeasureAsync(redis, reminders, i => grains.GetGrain<IWoken>(i).Remind(period));
        Tell("register", registered, rooms);
        Console.WriteLine($"memory      {(Work.Heap() - heap) / 1e6 / rooms * 100_000:0.0} MB of a silo's heap, "
            + $"{(redis.Read().Bytes - stored) / 1e6 / rooms * 100_000:0.0} MB of Redis, for 100,000 rooms");

        // Three periods: in the first, they begin.
        await Task.Delay(period);
        var before = wakings.Ticks;
        var ticking = await Work.MeasureAsync(redis, 1, () => Task.Delay(2 * period));
        var ticks = wakings.Ticks - before;
        Console.WriteLine($"ticks       {ticks / ticking.Seconds:0.0}/s, {ticking.SiloCpu / ticking.Seconds / 1e4:0.0} % of a "
            + "core "
            + $"at a period of {period.TotalSeconds:0} s, idle silo included; {ticking.RedisCommands / ticking.Seconds:0} Redis "
            + "commands/s");

        using (var other = await OtherSilo.StartAsync(redis.Address, "reminders"))
        {
            await Task.Delay(period); // until it has taken its part
            await other.KillAsync();
        }
        wakings.Clear();
        var killed = Stopwatch.GetTimestamp();
        while (wakings.Count < reminders && Stopwatch.GetElapsedTime(killed) < TimeSpan.FromMinutes(2))
            await Task.Delay(20);
        Console.WriteLine($"after a kill {wakings.Count} of {reminders} are woken within "
            + $"{Stopwatch.GetElapsedTime(killed).TotalSeconds:0.0} s");
        Tell("unregister", await Work.MeasureAsync(redis, reminders, i => grains.GetGrain<IWoken>(i).Forget()), rooms);
        await host.StopAsync();
    }

    private static void Tell(string what, Work work, int rooms) =>
        Console.WriteLine($"{what,-11} {work.Seconds:0.00} s in all; for each room {work.SiloCpu * work.Count / rooms:0.000} us "
            + "of silo CPU, "
            + $"{work.RedisCpu * work.Count / rooms:0.000} us of Redis CPU, {work.RedisCommands * work.Count / rooms:0.0000} "
            + "Redis commands");
}
