using System.Diagnostics;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>A second silo, in a process of its own, that dies by SIGKILL.</summary>
internal sealed class OtherSilo : IDisposable
{
    private readonly Process _process;

    private OtherSilo(Process process) => _process = process;

    public static async Task<OtherSilo> StartAsync(string redis, string cluster)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["silo", redis, cluster])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var other = new OtherSilo(Process.Start(start)!);
        return await other._process.StandardOutput.ReadLineAsync() == "joined" ? other
            : throw new InvalidOperationException("the second silo did not start");
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }
}
