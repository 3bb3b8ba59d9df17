using System.Diagnostics;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>What some work cost, this process and Redis apart.</summary>
/// <param name="Count">Pieces of it.</param>
/// <param name="Seconds">It took.</param>
/// <param name="SiloCpu">Microseconds of this process's CPU for each piece, the caller's included.</param>
/// <param name="RedisCpu">Microseconds of Redis' CPU for each piece.</param>
/// <param name="RedisCommands">Commands of Redis for each piece.</param>
internal sealed record Work(int Count, double Seconds, double SiloCpu, double RedisCpu, double RedisCommands)
{
    private const int AtOnce = 1024;

    public static Task<Work> MeasureAsync(BenchRedis redis, int count, Func<int, Task> piece) =>
        MeasureAsync(redis, count, async () =>
    {
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is var i && i < count)
                await piece(i);
        }));
    });

    public static async Task<Work> MeasureAsync(BenchRedis redis, int count, Func<Task> all)
    {
        var before = redis.Read();
        var cpu = Environment.CpuUsage.TotalTime;
        var began = Stopwatch.GetTimestamp();
        await all();
        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var used = (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds;
        var after = redis.Read();
        return new(count, took, used / count, (after.CpuMicroseconds - before.CpuMicroseconds) / count,
            (double)(after.Commands - before.Commands) / count);
    }

    /// <summary>Bytes of live objects of this process.</summary>
    public static long Heap()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    public override string ToString() =>
        $"{Count / Seconds,10:0}/s {SiloCpu,8:0.0} us of silo CPU, {RedisCpu,6:0.0} us of Redis CPU, {RedisCommands,6:0.00} "
            + "Redis commands";
}
