using System.Diagnostics;
using System.Net;
using System.Text;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>A real <c>orleanspd gateway --redis</c>.</summary>
internal sealed class SiloProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private bool _frozen;

    private SiloProcess(Process process) => _process = process;

    /// <summary>Calls its gateway.</summary>
    public HttpClient Client { get; } = new() { Timeout = TimeSpan.FromMinutes(3) };

    /// <summary>Its address in the membership table, without its generation.</summary>
    public string Address { get; private set; } = "";

    public bool IsFrozen => _frozen;

    public bool HasExited => _process.HasExited;

    /// <summary>What it wrote to its error stream.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    /// <summary>Starts a silo; completes when it has joined.</summary>
    public static async Task<SiloProcess> StartAsync(params string[] arguments)
    {
        var silo = new SiloProcess(Signals.Start(Path.Combine(AppContext.BaseDirectory, "orleanspd"), ["gateway", .. arguments]));
        silo._process.ErrorDataReceived += (_, line) => silo.Add(line.Data);
        silo._process.BeginErrorReadLine();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        try
        {
            var words = (await silo._process.StandardOutput.ReadLineAsync(limit.Token))?.Split(' ') ?? [];
            if (words.FirstOrDefault(w => w.StartsWith("http://", StringComparison.Ordinal)) is { } url)
            {
                silo.Client.BaseAddress = new Uri(url);
                silo.Address = words[Array.IndexOf(words, "silo") + 1];
                return silo;
            }
            await silo._process.WaitForExitAsync(limit.Token);
            throw new InvalidOperationException($"the silo did not start (exit code {silo._process.ExitCode}): {silo.Output}");
        }
        catch
        {
            await silo.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a silo that must not start, to its end.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        using var process = Signals.Start(Path.Combine(AppContext.BaseDirectory, "orleanspd"), arguments);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        try
        {
            var (output, error) = (
                process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output + await error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGSTOP.</summary>
    public void Freeze()
    {
        Signals.Freeze(_process);
        _frozen = true;
    }

    /// <summary>SIGCONT.</summary>
    public void Thaw()
    {
        _frozen = false;
        Signals.Thaw(_process);
    }

    /// <summary>SIGTERM.</summary>
    public void End() => Signals.End(_process);

    public async Task<int> ExitAsync(TimeSpan atMost)
    {
        using var limit = new CancellationTokenSource(atMost);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public async Task<bool> IsReadyAsync()
    {
        using var response = await Client.GetAsync("readiness");
        return response.StatusCode == HttpStatusCode.OK;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
        Client.Dispose();
    }

    private void Add(string? line)
    {
        lock (_output)
            _output.AppendLine(line);
    }
}
