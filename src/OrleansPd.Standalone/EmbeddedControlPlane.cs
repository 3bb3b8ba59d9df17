using OrleansPd.Core.Admission;
using OrleansPd.Engines.ControlPlanes;
using OrleansPd.Engines.Probes;
using OrleansPd.Standalone.Facade;

namespace OrleansPd.Standalone;

/// <summary>
/// The control plane inside the gateway's process: Core's state under one lock, a monitor for each worker, and a tick. Nothing
/// waits or logs inside the lock, and no call of a request's path leaves the process.
/// </summary>
public sealed partial class EmbeddedControlPlane : IControlPlane, IFacadeFleet, IAsyncDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FlushTimeout = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly ControlPlaneState _state;
    private readonly ControlPlaneOptions _options;
    private readonly IEngineProbe _probe;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly LogQueue _lines;
    private readonly LoopGuard _loops;
    private readonly Waiters _waiters;
    private readonly int _seed;
    private readonly FacadeSet? _facades;
    private bool _started;

    private EmbeddedControlPlane(ControlPlaneOptions options, IEngineProbe probe, TimeProvider clock, int seed, ILogger log)
    {
        _options = options;
        _probe = probe;
        _clock = clock;
        _log = log;
        _seed = seed;
        _lines = new LogQueue(log.LinesDropped);
        _loops = new LoopGuard(log.LoopDied);
        var mint = new RoomMint(RoomMint.PrefixOf(seed), RoomMint.CounterAt(clock.GetUtcNow()));
        _state = new ControlPlaneState(options, mint, seed);
        _waiters = new Waiters(_gate, clock) { State = _state };
        _facades = options.BootstrapFacade ? new FacadeSet(this, options, clock, log) : null;
    }

    public FleetSnapshot Fleet => _state.Fleet;

    /// <summary>True when a policy reads the prefix blocks of requests.</summary>
    public bool UsesPrefixBlocks => _state.NeedsPrefix;

    /// <summary>Leases with a running leg.</summary>
    public int Leases => Locked(() => _state.Live);

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting => Locked(() => _state.Waiting);

    /// <summary>Size and counters of the room table.</summary>
    public RoomStats Rooms => Locked(() => _state.Rooms);

    /// <summary>Completes with its exception when a background loop has failed; the process should then end.</summary>
    public Task<Exception> Died => _loops.Died;

    /// <param name="options">The operator's settings.</param>
    /// <param name="probe">Queries the engines.</param>
    /// <param name="seed">Of rooms and of random choices; different for gateways that share engines.</param>
    /// <param name="log">Receives changes of workers.</param>
    /// <exception cref="ArgumentException">A policy's name or a worker's address is wrong.</exception>
    public static EmbeddedControlPlane Create(
        ControlPlaneOptions options, IEngineProbe probe, TimeProvider clock, int seed, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(probe);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(log);
        var plane = new EmbeddedControlPlane(options, probe, clock, seed, log);
        foreach (var worker in options.Workers)
            _ = plane.Register(worker) ?? throw new ArgumentException($"the worker {worker.Url} is named twice", nameof(options));
        return plane;
    }

    /// <summary>Starts to monitor the workers; returns at once.</summary>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            _started = true;
            _loops.Run("tick", TickAsync);
            if (_facades is not null)
                _loops.Run("facades", _facades.RunAsync);
            foreach (var monitor in _monitors)
                _loops.Run(monitor.Key.Value, monitor.Value.RunAsync);
        }
        return Task.CompletedTask;
    }

    /// <summary>Refuses waiting and new requests and stops the monitors. Legs in flight may still be reported.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            _state.Stop();
            _waiters.CompleteGranted();
        }
        await _loops.StopAsync(cancellationToken);
        // Bounded: a log that blocks must not keep the process alive.
        await _lines.FlushAsync().WaitAsync(FlushTimeout, TimeProvider.System, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    public ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        AcquireAnswer answer;
        lock (_gate)
        {
            answer = _state.Acquire(request, _clock.GetUtcNow(), _clock.GetTimestamp());
            _waiters.CompleteGranted();
            if (answer.Grant is { } grant)
                return new(grant);
        }
        return new(_waiters.WaitAsync(answer.Waiting!, cancellationToken));
    }

    public void LegEnded(PairLease lease, LegSide side, LegOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(lease);
        lock (_gate)
        {
            var before = _state.Fleet;
            _ = _state.LegEnded(lease, side, outcome, _clock.GetUtcNow(), _clock.GetTimestamp());
            Changed(before);
            if (outcome == LegOutcome.Failed && (side == LegSide.Prefill ? lease.Prefill : lease.Decode) is { } worker)
                Signal(worker.Id, legFailed: true);
        }
    }

    public ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken) =>
        new(RegisterRank(room, rank, null));

    public ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            for (var i = 0; i < rooms.Length; i++)
                ranks.Span[i] = _state.QueryRank(rooms.Span[i], _clock.GetUtcNow());
        }
        return ValueTask.CompletedTask;
    }

    RankRegistration IFacadeFleet.RegisterRank(long room, int rank, WorkerSnapshot prefill) => RegisterRank(room, rank, prefill);

    /// <summary>The input names the epoch of the worker, so a later registration ignores it.</summary>
    void IFacadeFleet.Opened(WorkerId prefill, WorkerInput.FacadeOpened address) =>
        Change(() => _state.Apply(prefill, address, _clock.GetUtcNow(), _clock.GetTimestamp()));

    private RankRegistration RegisterRank(long room, int rank, WorkerSnapshot? prefill)
    {
        lock (_gate)
        {
            var now = _clock.GetUtcNow();
            var outcome = _state.RegisterRank(room, rank, prefill, now);
            if (outcome == RankRegistration.Conflict)
            {
                var owner = _state.OwnerOf(room, now);
                _lines.Add(() => _log.RoomConflict(room, rank, prefill?.Id, owner));
            }
            return outcome;
        }
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_gate)
            return read();
    }

    /// <summary>Runs a transition under the lock and publishes what it changed.</summary>
    private T Change<T>(Func<T> transition)
    {
        lock (_gate)
        {
            var before = _state.Fleet;
            var result = transition();
            Changed(before);
            return result;
        }
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TickInterval, _clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            Change(() =>
            {
                _state.Tick(_clock.GetUtcNow(), _clock.GetTimestamp(), _clock.TimestampFrequency);
                return true;
            });
        }
    }
}
