using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace OrleansPd.Server.Tests.Processes;

/// <summary>The real executable as a child, as an operator or an init system would start it.</summary>
internal sealed partial class GatewayProcess : IAsyncDisposable
{
    private const int SigTerm = 15;
    private readonly Process _process;
    private readonly StringBuilder _said = new();

    private GatewayProcess(Process process)
    {
        _process = process;
    }

    public Uri Url { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public bool HasExited => _process.HasExited;

    /// <summary>All that it wrote.</summary>
    public string Said
    {
        get
        {
            lock (_said)
                return _said.ToString();
        }
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Starts <c>orleanspd gateway</c> on a free port; comes back when it listens.</summary>
    /// <param name="readErrors">False: its standard error is a pipe that nothing reads.</param>
    public static async Task<GatewayProcess> StartAsync(bool readErrors, params string[] args)
    {
        var dll = typeof(OrleansPd.Server.Commands.CommandTree).Assembly.Location;
        var start = new ProcessStartInfo(
            Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { dll, "gateway", "--host", "127.0.0.1", "--port", "0" },
        };
        foreach (var arg in args)
            start.ArgumentList.Add(arg);
        var listens = new TaskCompletionSource<Uri>(TaskCreationOptions.RunContinuationsAsynchronously);
        var gateway = new GatewayProcess(new Process { StartInfo = start, EnableRaisingEvents = true });
        void Hear(string? line)
        {
            lock (gateway._said)
                gateway._said.AppendLine(line);
            if (line is not null && Address().Match(line) is { Success: true } match)
                listens.TrySetResult(new Uri(match.Groups[1].Value));
        }
        gateway._process.OutputDataReceived += (_, e) => Hear(e.Data);
        gateway._process.ErrorDataReceived += (_, e) => Hear(e.Data);
        gateway._process.Exited += (_, _) => listens.TrySetException(new InvalidOperationException("it ended: " + gateway.Said));
        gateway._process.Start();
        gateway._process.BeginOutputReadLine();
        if (readErrors)
            gateway._process.BeginErrorReadLine();
        gateway.Url = await listens.Task.WaitAsync(TimeSpan.FromSeconds(60), Token);
        gateway.Client = new HttpClient { BaseAddress = gateway.Url, Timeout = TimeSpan.FromSeconds(60) };
        return gateway;
    }

    public async Task ReadyAsync() => await UntilAsync(async () => await StatusAsync("/readiness") == 200, "it is ready");

    /// <summary>0 if nothing answers.</summary>
    public async Task<int> StatusAsync(string path)
    {
        try
        {
            using var response = await Client.GetAsync(path, Token);
            return (int)response.StatusCode;
        }
        catch (HttpRequestException)
        {
            return 0;
        }
    }

    public void Terminate() => Assert.Equal(0, Kill(_process.Id, SigTerm));

    /// <summary>As <c>kill -9</c>.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(Token);
    }

    public async Task<int> ExitCodeAsync()
    {
        await _process.WaitForExitAsync(Token).WaitAsync(TimeSpan.FromSeconds(60), Token);
        return _process.ExitCode;
    }

    public async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"never came in 60 s: {what}\n{Said}");
            await Task.Yield();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }
        _process.Dispose();
    }

    [GeneratedRegex(@"gateway on (http://\S+?)/? serves")]
    private static partial Regex Address();

    [System.Diagnostics.CodeAnalysis.SuppressMessage(
        "Interoperability", "SYSLIB1054", Justification = "Generated code would need unsafe blocks.")]
    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);
}
