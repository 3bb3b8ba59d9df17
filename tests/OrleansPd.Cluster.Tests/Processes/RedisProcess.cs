using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OrleansPd.Server.Hosting;
using StackExchange.Redis;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>A real Redis on a free port that keeps nothing on disk: after a restart it is empty.</summary>
internal sealed class RedisProcess : IAsyncDisposable
{
    private readonly string[] _more;
    private Process? _process;

    private RedisProcess(int port, string[] more) => (Port, _more) = (port, more);

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>Starts a Redis; the test is skipped on a machine without redis-server.</summary>
    public static async Task<RedisProcess> StartAsync(params string[] more)
    {
        Assert.SkipWhen(Binary is null, "redis-server is not on the PATH: tests with a real Redis are skipped");
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs SIGKILL and SIGSTOP");
        var redis = new RedisProcess(FreePorts.Any(IPAddress.Loopback), more);
        await redis.StartAgainAsync();
        return redis;
    }

    /// <summary>SIGKILL.</summary>
    public async Task StopAsync()
    {
        if (_process is { } process)
        {
            _process = null;
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    /// <summary>SIGSTOP: it accepts connections and answers nothing.</summary>
    public void Freeze() => Signals.Freeze(_process!);

    public async Task StartAgainAsync()
    {
        string[] flags =
            ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning", .. _more];
        _process = Signals.Start(Binary!, flags);
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, Port, limit.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(20, limit.Token);
            }
        }
    }

    public Task<ConnectionMultiplexer> ConnectAsync() =>
        ConnectionMultiplexer.ConnectAsync($"{Address},abortConnect=false,connectTimeout=20000,asyncTimeout=20000");

    /// <summary>
    /// A silo that starts waits for a cluster that a Redis which has just started may have lost. Here there was none.
    /// </summary>
    public async Task SettleAsync(string service, string cluster)
    {
        await using var connection = await ConnectAsync();
        await connection.GetDatabase().HashSetAsync($"{service}/members/{cluster}", "Version", "0");
        await connection.GetDatabase().HashSetAsync(
            $"{service}/terms/{cluster}", "none", """{"Spoken":0,"Oldest":0,"RoomShards":0,"Build":"","Until":0}""");
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private static string? Binary { get; } = Environment.GetEnvironmentVariable("PATH")?.Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);
}
