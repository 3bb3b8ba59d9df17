using System.Diagnostics;

namespace OrleansPd.Tools.Demo;

/// <summary>Another process of this program, which prints one line when it listens.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task _draining;
    private string _lastError = "";

    private ChildProcess(string name, Process process)
    {
        (Name, _process) = (name, process);
        _draining = DrainAsync(process.StandardError);
    }

    public string Name { get; }
    public Uri Url { get; private set; } = new("http://unknown");

    public long Resident
    {
        get
        {
            _process.Refresh();
            return _process.HasExited ? 0 : _process.WorkingSet64;
        }
    }

    public async Task<string> EndAsync()
    {
        await _process.WaitForExitAsync();
        await _draining;
        return $"{Name} ended with exit code {_process.ExitCode}{(_lastError.Length > 0 ? $": {_lastError}" : "")}";
    }

    /// <summary>Starts <c>orleanspd</c> with these arguments and waits for its first line, which names its address.</summary>
    /// <exception cref="CommandFailedException">The process ended before that; the message is from it.</exception>
    public static async Task<ChildProcess> StartAsync(
        string name, IReadOnlyCollection<string> arguments, CancellationToken cancellationToken)
    {
        var program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "orleanspd.exe" : "orleanspd");
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        var child = new ChildProcess(name, Process.Start(start)
            ?? throw new CommandFailedException($"{program} does not start."));
        try
        {
            var line = await child._process.StandardOutput.ReadLineAsync(cancellationToken);
            var url = line?.Split(' ').FirstOrDefault(word => word.StartsWith("http://", StringComparison.Ordinal));
            if (url is null)
            {
                await child.EndAsync();
                throw new CommandFailedException(child._lastError.Length > 0 ? child._lastError : $"{name} did not start.");
            }

            child.Url = new(url);
            return child;
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();

        await EndAsync();
        _process.Dispose();
    }

    private async Task DrainAsync(StreamReader errors)
    {
        const string mark = "error: ";
        while (await errors.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(mark, StringComparison.Ordinal))
                _lastError = line[mark.Length..];
        }
    }
}
