using System.Collections.Concurrent;
using System.Diagnostics;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>A real <c>orleanspd dev</c> that has reported to be ready.</summary>
internal sealed class DevProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _errors = [];

    private DevProcess(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) => _errors.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
    }

    /// <summary>What it printed until it was ready.</summary>
    public List<string> Output { get; } = [];

    public IReadOnlyList<Uri> Gateways =>
        [.. Output.Where(l => l.StartsWith("gateway on ", StringComparison.Ordinal)).Select(l => new Uri(l.Split(' ')[2]))];

    public static async Task<DevProcess> StartAsync(params string[] arguments)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a Unix shell");
        var dev = new DevProcess(Signals.Start(Path.Combine(AppContext.BaseDirectory, "orleanspd"), ["dev", .. arguments]));
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            while (await dev._process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                dev.Output.Add(line);
                if (line.StartsWith("Ready; ", StringComparison.Ordinal))
                    return dev;
            }
            throw new InvalidOperationException(
                $"orleanspd dev ended: {string.Join('\n', dev.Output)}\n{string.Join('\n', dev._errors)}");
        }
        catch
        {
            await dev.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ctrl-C.</summary>
    /// <returns>The exit code, and what it wrote to its error stream from then on.</returns>
    public async Task<(int ExitCode, string Errors)> BreakAsync()
    {
        var before = _errors.Count;
        Signals.Break(_process);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await _process.WaitForExitAsync(limit.Token);
        return (_process.ExitCode, string.Join('\n', _errors.Skip(before)).Trim());
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
    }
}
