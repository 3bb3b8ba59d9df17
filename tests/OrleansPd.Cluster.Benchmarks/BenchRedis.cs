using System.Diagnostics;
using System.Globalization;
using System.Net;
using OrleansPd.Server.Hosting;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>A redis-server for this run, and the figures it reports.</summary>
internal sealed class BenchRedis : IDisposable
{
    private readonly Process _process;
    private readonly ConnectionMultiplexer _connection;

    private BenchRedis(Process process, ConnectionMultiplexer connection, string address) =>
        (_process, _connection, Address) = (process, connection, address);

    public string Address { get; }

    public static async Task<BenchRedis> StartAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await StartOnceAsync();
            }
            catch (RedisConnectionException) when (attempt < 5)
            {
                // Another process took the port first.
            }
        }
    }

    private static async Task<BenchRedis> StartOnceAsync()
    {
        var port = FreePorts.Any(IPAddress.Loopback);
        string[] flags = ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel",
            "warning"];
        var process = Process.Start(new ProcessStartInfo("redis-server", flags) { RedirectStandardOutput = true })
            ?? throw new InvalidOperationException("redis-server does not start");
        process.BeginOutputReadLine();
        try
        {
            var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{port},connectRetry=20,allowAdmin=true");
            return new BenchRedis(process, connection, $"127.0.0.1:{port}");
        }
        catch
        {
            process.Kill();
            process.Dispose();
            throw;
        }
    }

    public RedisFigures Read()
    {
        var info = _connection.GetServer(Address).Info().SelectMany(section => section).ToLookup(p => p.Key, p => p.Value);
        double Of(string name) => double.Parse(info[name].First(), CultureInfo.InvariantCulture);
        return new((Of("used_cpu_user") + Of("used_cpu_sys")) * 1e6, (
            long)Of("total_commands_processed"), (long)Of("used_memory"));
    }

    public void Empty() => _connection.GetServer(Address).FlushAllDatabases();

    public void Dispose()
    {
        _connection.Dispose();
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}

/// <param name="CpuMicroseconds">Since it started.</param>
/// <param name="Commands">Since it started.</param>
/// <param name="Bytes">Now.</param>
internal sealed record RedisFigures(double CpuMicroseconds, long Commands, long Bytes);
