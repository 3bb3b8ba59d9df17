namespace OrleansPd.Simulator;

/// <summary>
/// A simulated engine at an address. It may die and start again: each epoch has new rank ports, empty caches and an
/// empty room table, at the same address.
/// </summary>
public sealed class SimulatedEngine : IAsyncDisposable
{
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _changing = new(1, 1);
    private readonly TaskCompletionSource<string> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopped = new();
    private EngineProcess? _process;
    private Task _dying = Task.CompletedTask;

    private SimulatedEngine(SimulatedEngineOptions options, TimeProvider clock)
    {
        Options = options;
        _clock = clock;
        Faults = new FaultControl(clock);
        Stats = new EngineStats(options.DpSize);
    }

    /// <summary>The options, with the ports that were found.</summary>
    public SimulatedEngineOptions Options { get; private set; }

    public Uri Url => new UriBuilder(
        "http", Options.Host switch { "0.0.0.0" => "127.0.0.1", "::" or "[::]" => "::1", var host => host }, Port).Uri;

    public int Port => Options.Port;

    /// <summary>
    /// Port of the KV bootstrap server of a prefill; on other roles the one assumed where a request names none.
    /// </summary>
    public int BootstrapPort { get; private set; }

    /// <summary>Number of epochs so far; 1 for the first.</summary>
    public int Epoch { get; private set; }

    public bool IsAlive => Volatile.Read(ref _process) is not null;

    /// <summary>Connections to its API that are open now.</summary>
    public int Connections => Volatile.Read(ref _process)?.Connections ?? 0;

    /// <summary>Counters of the current epoch, or of the last one.</summary>
    public EngineStats Stats { get; private set; }

    public FaultControl Faults { get; }

    /// <summary>Completes with the reason when the engine died without a call from outside and will not start again.</summary>
    public Task<string> Exited => _exited.Task;

    /// <summary>Starts a prefill, decode or regular engine on a real listener.</summary>
    public static async Task<SimulatedEngine> StartAsync(
        SimulatedEngineOptions options, TimeProvider? clock = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.DpSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PageSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Speed);
        var engine = new SimulatedEngine(options, clock ?? TimeProvider.System);
        await engine.StartProcessAsync(ct);
        return engine;
    }

    /// <summary>As <c>kill -9</c>: the listeners are closed and every connection is reset.</summary>
    public async Task KillAsync()
    {
        await _changing.WaitAsync();
        try
        {
            await EndProcessAsync();
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Kills the current epoch and starts a new one at the same ports.</summary>
    public async Task RestartAsync(CancellationToken ct = default)
    {
        await _changing.WaitAsync(ct);
        try
        {
            await EndProcessAsync();
            await StartProcessAsync(ct);
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Starts a new epoch at the same ports, unless one runs.</summary>
    public async Task ReviveAsync(CancellationToken ct = default)
    {
        await _changing.WaitAsync(ct);
        try
        {
            if (!IsAlive)
                await StartProcessAsync(ct);
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Ends the engine for good.</summary>
    public async Task StopAsync()
    {
        await _stopped.CancelAsync();
        await KillAsync();
        await _dying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await KillAsync();
        Faults.Clear();
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task StartProcessAsync(CancellationToken ct)
    {
        var process = await EngineProcess.StartAsync(Options, Epoch + 1, Faults, _clock, OnDied, ct);
        Epoch = process.Epoch;
        Stats = process.Stats;
        BootstrapPort = process.BootstrapPort;
        Options = Options with
        {
            Port = process.Port,
            BootstrapPort = Options.Role == EngineRole.Prefill ? process.BootstrapPort : Options.BootstrapPort,
        };
        Volatile.Write(ref _process, process);
    }

    private async Task EndProcessAsync()
    {
        if (Interlocked.Exchange(ref _process, null) is { } process)
            await process.KillAsync();
    }

    private void OnDied(string reason) => _dying = BuryAsync(Volatile.Read(ref _process), reason);

    private async Task BuryAsync(EngineProcess? dead, string reason)
    {
        await Task.Yield();
        await _changing.WaitAsync();
        try
        {
            if (dead is null || dead != Volatile.Read(ref _process))
                return;
            await EndProcessAsync();
        }
        finally
        {
            _changing.Release();
        }
        if (dead.RestartDelay is { } delay)
        {
            await Task.Delay(delay, _clock, _stopped.Token);
            await ReviveAsync(_stopped.Token);
        }
        else
        {
            _exited.TrySetResult(reason);
        }
    }
}
