using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>A silo as operators run it: a process that real signals reach.</summary>
internal sealed partial class SiloProcess : IAsyncDisposable
{
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public const int SigCont = 18;
    public const int SigStop = 19;
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _errors = [];

    private SiloProcess(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) => _errors.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
        Client = null!;
    }

    public HttpClient Client { get; private set; }

    /// <summary>
    /// Patient, because machines that run tests are busy, and a silo that gets no processor for a second is taken for dead with what is
    /// shipped. ORLEANSPD_TEST_SHIPPED_MEMBERSHIP=1 measures what is shipped.
    /// </summary>
    private static string[] Membership => Environment.GetEnvironmentVariable("ORLEANSPD_TEST_SHIPPED_MEMBERSHIP") == "1"
        ? [] : ["--probe-timeout-ms", "2000", "--missed-probes", "3"];

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>What it said on stderr.</summary>
    public string Errors => string.Join('\n', _errors.Where(e => e.Length > 0));

    /// <summary>Starts <c>orleanspd-silo run</c> on free ports and waits for its first line, which names its address.</summary>
    public static async Task<SiloProcess> StartAsync(RedisServer redis, params string[] more)
    {
        var process = Launch(
        [
            "run", "--redis", redis.Address, "--advertise", "127.0.0.1", "--host", "127.0.0.1", "--port", "0",
            "--silo-port", $"{RedisServer.FreePort()}", "--gateway-port", $"{RedisServer.FreePort()}", "--policy", "least_load", .. Membership, .. more,
        ]);
        var silo = new SiloProcess(process);
        var line = await process.StandardOutput.ReadLineAsync(Support.ClusterStage.Token);
        var url = line?.Split(' ').FirstOrDefault(word => word.StartsWith("http://", StringComparison.Ordinal));
        Assert.True(url is not null, $"{line}\n{silo.Errors}");
        silo.Client = new HttpClient { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(60) };
        return silo;
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int ExitCode, string Errors)> RunAsync(params string[] arguments)
    {
        await using var silo = new SiloProcess(Launch(arguments));
        await silo.ExitAsync();
        return (silo.ExitCode, silo.Errors);
    }

    public void Signal(int signal) => Assert.Equal(0, Kill(_process.Id, signal));

    public async Task ExitAsync(int atMostSecs = 60) =>
        await _process.WaitForExitAsync(Support.ClusterStage.Token).WaitAsync(TimeSpan.FromSeconds(atMostSecs));

    /// <summary>What its gateway answers; where it does not, what it said last.</summary>
    public async Task<string> AskAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await Client.GetStringAsync(path, cancellationToken);
        }
        catch (HttpRequestException e)
        {
            Assert.Fail($"{e.Message}\n{Errors}");
            throw;
        }
    }

    /// <summary>Whether its gateway says that it is ready.</summary>
    public async Task<bool> IsReadyAsync()
    {
        using var response = await Client.GetAsync("/readiness", Support.ClusterStage.Token);
        return response.IsSuccessStatusCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        Client?.Dispose();
        _process.Dispose();
    }

    private static Process Launch(string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "orleanspd-silo");
        return Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })
            ?? throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{program} does not start"));
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
