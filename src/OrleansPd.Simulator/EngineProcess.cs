using System.Collections.Concurrent;
using System.Net;
using OrleansPd.Simulator.Bootstrap;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Hosting;
using OrleansPd.Simulator.Http;
using OrleansPd.Simulator.Ranks;

namespace OrleansPd.Simulator;

/// <summary>
/// One life of an engine: its ranks, its bootstrap server, its API. Ends with <see cref="KillAsync"/>, never restarts.
/// </summary>
internal sealed class EngineProcess
{
    private readonly CancellationTokenSource _life = new();
    private readonly ConcurrentDictionary<Task, byte> _tracked = new();
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<SimRequest, byte>> _live = new();
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

    /// <summary>As started, but for the role, which can be switched.</summary>
    public SimulatedEngineOptions Options { get; private set; }

    public int Epoch { get; }

    public FaultControl Faults { get; }

    public TimeProvider Clock { get; }

    public ReleaseProfile Profile { get; }

    public EngineStats Stats { get; }

    public PauseGate Pause { get; } = new();

    public DateTimeOffset StartedAt { get; }

    public IReadOnlyList<EngineRank> Ranks { get; private set; } = [];

    public int Port => _host.Port;

    /// <summary>Connections to its API that are open now.</summary>
    public int Connections => _host.Connections;

    public int BootstrapPort { get; private set; }

    /// <summary>The bootstrap server whose routes the API listener serves; null where it has its own.</summary>
    public BootstrapServer? EmbeddedBootstrap => Options.RustFrontEnd ? _bootstrap : null;

    public string ModelName { get; set; } = "";

    public string WeightVersion { get; set; } = "default";

    /// <summary>Name and path of the LoRA adapters that were loaded.</summary>
    public ConcurrentDictionary<string, string> Adapters { get; } = new(StringComparer.Ordinal);

    /// <summary>Cancelled when this life is over.</summary>
    public CancellationToken Ended => _life.Token;

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

    public bool IsLive(string rid) => _live.ContainsKey(rid);

    public IEnumerable<string> LiveRids => _live.Keys;

    /// <summary>Takes a request to its rank. Its output tells the rest.</summary>
    public void Submit(SimRequest request, int rank)
    {
        Stats.Arrived();
        _live.GetOrAdd(request.Rid, _ => new()).TryAdd(request, 0);
        if (Faults.TryTake(FaultKind.Die, rank, request.Rid) is { } die)
        {
            request.TokensToFault = die.AfterTokens;
        }
        else if (Faults.TryTake(FaultKind.Restart, rank, request.Rid) is { } restart)
        {
            request.TokensToFault = restart.AfterTokens;
            RestartDelay = restart.Delay ?? TimeSpan.Zero;
        }

        if (Faults.TryTake(FaultKind.Retract, rank, request.Rid) is { } retract)
        {
            request.TokensToRetract = Math.Max(1, retract.AfterTokens);
        }

        if (Faults.TryTake(FaultKind.OutOfMemory, rank, request.Rid) is { } memory)
        {
            request.TokensToOutOfMemory = memory.AfterTokens;
        }

        if (request.TokensToFault == 0)
        {
            Die("killed by a fault");
            return;
        }

        Track(Ranks[rank].ServeAsync(request));
    }

    /// <summary>Set where the death that comes is to be followed by a new life.</summary>
    public TimeSpan? RestartDelay { get; private set; }

    /// <summary>Ends a request, once.</summary>
    public void End(SimRequest request, StepOut last)
    {
        if (!request.TryEnd(last))
        {
            return;
        }

        Stats.Left(last.Finish!);
        if (_live.TryGetValue(request.Rid, out var same))
        {
            same.TryRemove(request, out _);
            if (same.IsEmpty)
            {
                _live.TryRemove(KeyValuePair.Create(request.Rid, same));
            }
        }
    }

    /// <summary>Whether a fault takes the whole engine away with this token of the request.</summary>
    public bool StruckBy(SimRequest request)
    {
        if (request.TokensToFault <= 0 || --request.TokensToFault > 0)
        {
            return false;
        }

        Die("killed by a fault");
        return true;
    }

    /// <summary>Aborts every request whose rid begins with that text.</summary>
    public void AbortPrefix(string prefix)
    {
        foreach (var (rid, requests) in _live)
        {
            if (rid.StartsWith(prefix, StringComparison.Ordinal))
            {
                foreach (var request in requests.Keys)
                {
                    request.Cancel(SimRequest.AbortedByRequest);
                }
            }
        }
    }

    public void WakeAll()
    {
        foreach (var rank in Ranks)
        {
            rank.Wake();
        }
    }

    /// <summary>An exception in a scheduler: the whole process goes down, without waiting for anybody.</summary>
    public void Die(string reason)
    {
        if (Interlocked.Exchange(ref _dead, 1) == 0)
        {
            _died(reason);
        }
    }

    /// <summary>Keeps a task of this life, so that its end can be awaited.</summary>
    public void Track(Task task)
    {
        if (task.IsCompleted)
        {
            return;
        }

        _tracked.TryAdd(task, 0);
        _ = task.ContinueWith(
            static (done, state) => ((ConcurrentDictionary<Task, byte>)state!).TryRemove(done, out _),
            _tracked, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>
    /// Becomes the other side of pairs; nothing may be in flight. Caches and ranks are new, the process is not.
    /// </summary>
    public async Task SwitchRoleAsync(EngineRole role)
    {
        if (role == Options.Role)
        {
            return;
        }

        await _role.CancelAsync();
        await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var rank in Ranks)
        {
            await rank.DisposeAsync();
        }

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
        {
            await _host.KillAsync();
        }

        if (_bootstrap is not null)
        {
            await _bootstrap.KillAsync();
        }

        await _life.CancelAsync();
        foreach (var rank in Ranks)
        {
            await rank.DisposeAsync();
        }

        foreach (var request in _live.Values.SelectMany(same => same.Keys))
        {
            request.Cancel(SimRequest.AbortedByRequest);
        }

        await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_tracked.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _http.Dispose();
    }

    private async Task LoadAsync(CancellationToken ct)
    {
        var address = await HttpHost.AddressOfAsync(Options.Host, ct);
        await LoadRanksAsync(address, ct);
        _host = await HttpHost.StartAsync(Options.Host, Options.Port, Options.KeepAlive, new EngineApi(this).AnswerAsync, ct);
        if (EmbeddedBootstrap is not null)
        {
            BootstrapPort = Port;
        }

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
        {
            await RankRegistration.PutAsync(this, rank, address, _http, ct);
        }
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
            // The end of this life, or of this role.
        }
        catch (Exception e)
        {
            Die($"the scheduler of rank {rank.Index} raised {e}");
        }
    }

    private void OnFaultsChanged()
    {
        if (Faults.Peek(FaultKind.Refuse) is not null)
        {
            Track(_host.RefuseAsync());
        }
        else
        {
            _host.Accept();
        }

        WakeAll();
    }
}
