using OrleansPd.Simulator.Bootstrap;
using OrleansPd.Simulator.Http;

namespace OrleansPd.Simulator;

/// <summary>
/// One epoch of an engine: its ranks, its bootstrap server and its API. It ends with <see cref="KillAsync"/> and never restarts.
/// </summary>
internal sealed class EngineProcess
{
    private readonly CancellationTokenSource _lifetime = new();
    private readonly TaskSet _tasks = new();
    private readonly Action<string> _died;
    private readonly HttpClient _http;
    private HttpHost _host = null!;
    private BootstrapServer? _bootstrap;
    private CancellationTokenSource _role = new();
    private Task _loops = Task.CompletedTask;
    private int _next = -1;
    private int _dead;

    private EngineProcess(SimulatedEngineOptions options, int epoch, FaultControl faults, TimeProvider clock, Action<string> died)
    {
        Options = options;
        Epoch = epoch;
        Faults = faults;
        Clock = clock;
        Profile = ReleaseProfile.Of(options.Version);
        Stats = new EngineStats(options.DpSize);
        StartedAt = clock.GetUtcNow();
        _died = died;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),
            UseProxy = false,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
    }

    public SimulatedEngineOptions Options { get; private set; }
    public int Epoch { get; }
    public FaultControl Faults { get; }
    public TimeProvider Clock { get; }
    public ReleaseProfile Profile { get; }
    public EngineStats Stats { get; }
    public PauseGate Pause { get; } = new();
    public LiveRequests Live { get; } = new();
    public DateTimeOffset StartedAt { get; }
    public IReadOnlyList<EngineRank> Ranks { get; private set; } = [];
    public int Port => _host.Port;
    public int Connections => _host.Connections;
    public int BootstrapPort { get; private set; }

    /// <summary>The bootstrap server whose routes are served by the API listener; null when it has its own listener.</summary>
    public BootstrapServer? EmbeddedBootstrap => Options.RustFrontEnd ? _bootstrap : null;

    public string ModelName { get; set; } = "";
    public string WeightVersion { get; set; } = "default";

    /// <summary>Names and paths of the loaded LoRA adapters.</summary>
    public ConcurrentDictionary<string, string> Adapters { get; } = new(StringComparer.Ordinal);

    public CancellationToken Ended => _lifetime.Token;

    public static async Task<EngineProcess> StartAsync(
        SimulatedEngineOptions options, int epoch, FaultControl faults, TimeProvider clock, Action<string> died,
        CancellationToken ct)
    {
        var process = new EngineProcess(options, epoch, faults, clock, died) { ModelName = options.Name };
        try
        {
            await process.LoadAsync(ct);
        }
        catch
        {
            await process.KillAsync();
            throw;
        }
        return process;
    }

    public int NextRank() => (int)((uint)Interlocked.Increment(ref _next) % (uint)Options.DpSize);

    /// <summary>Passes a request to a rank, which writes to its output.</summary>
    public void Submit(SimRequest request, int rank)
    {
        Stats.Arrived();
        Live.Add(request);
        RestartDelay = request.TakeFaults(Faults, rank) ?? RestartDelay;
        if (request.TokensToFault == 0)
        {
            Die("killed by a fault");
            return;
        }
        Track(Ranks[rank].ServeAsync(request));
    }

    /// <summary>Delay before the engine starts again after it dies; null = it stays dead.</summary>
    public TimeSpan? RestartDelay { get; private set; }

    public void End(SimRequest request, StepOut last)
    {
        if (!request.TryEnd(last))
            return;
        Stats.Left(last.Finish!);
        Live.Remove(request);
    }

    /// <summary>Whether a fault kills the engine at this token of the request.</summary>
    public bool DiesAt(SimRequest request)
    {
        if (request.TokensToFault <= 0 || --request.TokensToFault > 0)
            return false;
        Die("killed by a fault");
        return true;
    }

    public void WakeAll()
    {
        foreach (var rank in Ranks)
            rank.Wake();
    }

    /// <summary>Ends the process at once, as an exception in a scheduler does.</summary>
    public void Die(string reason)
    {
        if (Interlocked.Exchange(ref _dead, 1) == 0)
            _died(reason);
    }

    /// <summary>Keeps a task, so that <see cref="KillAsync"/> can await it.</summary>
    public void Track(Task task) => _tasks.Add(task);

    /// <summary>Changes the role of the process. Ranks and caches are replaced. No request may be in flight.</summary>
    public async Task SwitchRoleAsync(EngineRole role)
    {
        if (role == Options.Role)
            return;
        await _role.CancelAsync();
        await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var rank in Ranks)
            await rank.DisposeAsync();
        if (_bootstrap is not null)
        {
            await _bootstrap.KillAsync();
            _bootstrap = null;
        }
        _role = new();
        Options = Options with { Role = role };
        var address = await HttpHost.AddressOfAsync(Options.Host, Ended);
        await LoadRanksAsync(address, Ended);
        await RegisterRanksAsync(address, Ended);
    }

    public async Task KillAsync()
    {
        Interlocked.Exchange(ref _dead, 1);
        Faults.Changed -= OnFaultsChanged;
        if (_host is not null)
            await _host.KillAsync();
        if (_bootstrap is not null)
            await _bootstrap.KillAsync();
        await _lifetime.CancelAsync();
        foreach (var rank in Ranks)
            await rank.DisposeAsync();
        Live.Abort("");
        await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _tasks.WhenAll().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _http.Dispose();
    }

    private async Task LoadAsync(CancellationToken ct)
    {
        var address = await HttpHost.AddressOfAsync(Options.Host, ct);
        await LoadRanksAsync(address, ct);
        _host = await HttpHost.StartAsync(Options.Host, Options.Port, Options.KeepAlive, new EngineApi(this).AnswerAsync, ct);
        if (EmbeddedBootstrap is not null)
            BootstrapPort = Port;
        await RegisterRanksAsync(address, ct);
        Faults.Changed += OnFaultsChanged;
        OnFaultsChanged();
    }

    private async Task LoadRanksAsync(IPAddress address, CancellationToken ct)
    {
        if (Options.Role == EngineRole.Prefill)
        {
            var options = new BootstrapServerOptions
            {
                RoomEntryTtl = Options.RoomEntryTtl,
                Version = Options.Version,
                Rust = Options.RustFrontEnd,
            };
            _bootstrap = Options.RustFrontEnd
                ? BootstrapServer.Embed(options, Clock, Faults)
                : await BootstrapServer.StartAsync(Options.Host, Options.BootstrapPort, options, Clock, Faults, ct);
        }
        BootstrapPort = _bootstrap?.Port ?? (Options.BootstrapPort == 0 ? 8998 : Options.BootstrapPort);
        var rooms = new RoomHistory();
        Ranks = [.. Enumerable.Range(0, Options.DpSize).Select<int, EngineRank>(index => Options.Role switch
        {
            EngineRole.Prefill => new PrefillRank(this, index, address, _http, rooms),
            EngineRole.Decode => new DecodeRank(this, index, _http, rooms),
            _ => new RegularRank(this, index),
        })];
        _loops = Task.WhenAll(Ranks.Select(rank => WatchAsync(rank, _role.Token)));
    }

    private async Task RegisterRanksAsync(IPAddress address, CancellationToken ct)
    {
        foreach (var rank in Ranks.OfType<PrefillRank>())
            await Bootstrap.RankRegistration.PutAsync(this, rank, address, _http, ct);
    }

    private async Task WatchAsync(EngineRank rank, CancellationToken role)
    {
        await Task.Yield();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Ended, role);
        try
        {
            await rank.RunAsync(end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The epoch has ended, or the role was switched.
        }
        catch (Exception e)
        {
            Die($"the scheduler of rank {rank.Index} raised {e}");
        }
    }

    private void OnFaultsChanged()
    {
        if (Faults.Peek(FaultKind.Refuse) is not null)
            Track(_host.RefuseAsync());
        else
            _host.Accept();
        WakeAll();
    }
}
