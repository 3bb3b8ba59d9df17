using OrleansPd.Cluster.Placement;
using OrleansPd.Core.Admission;
using OrleansPd.Core.Placement;
using OrleansPd.Engines.ControlPlanes;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// The control plane of one gateway in a cluster: Core's <see cref="GatewayState"/> under one lock. Requests are admitted from
/// the newest snapshot and from granted credits; no request waits for a grain. In the background run the feed of the fleet, and
/// for each worker a link that reports to its grain and requests credits ahead of need.
/// </summary>
public sealed partial class ClusterControlPlane : IControlPlane, IKnownWorkers, IAsyncDisposable
{
    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromMilliseconds(100);
    private readonly Lock _gate = new();
    private readonly GatewayServices _services;
    private readonly ControlPlaneOptions _options;
    private readonly PdClusterOptions _cluster;
    private readonly IGrainFactory _grains;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly int _seed;
    private readonly LoopGuard _loops;
    private readonly Waiters _waiters;
    private readonly FleetConnection _fleet;
    private readonly WitnessReporter _witness;
    private readonly Dictionary<(WorkerId, long), WorkerLink> _links = [];
    private readonly TaskCompletionSource _joined = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableDictionary<WorkerId, WorkerReport> _reports = ImmutableDictionary<WorkerId, WorkerReport>.Empty;
    private ImmutableDictionary<string, PoolSize> _sizes = ImmutableDictionary<string, PoolSize>.Empty;
    // Configured workers that are not in the fleet yet. A worker that is removed later is not added again by this process.
    private ImmutableArray<WorkerSpec> _unseen;
    private GatewayState? _state;
    private long _affinityLearned;
    private int _prefix = -1;

    internal ClusterControlPlane(GatewayServices services, int seed)
    {
        if (services.ControlPlane.BootstrapFacade)
        {
            throw new ArgumentException(
                "BootstrapFacade is not supported in a cluster: its addresses belong to one process.", nameof(services));
        }
        // An unknown policy name must fail here, at the start, and not when the first snapshot arrives.
        _ = new GatewayState(services.ControlPlane, services.Limits, "", new RoomMint(0, 0), seed);
        (_services, _options, _cluster, _grains) = (services, services.ControlPlane, services.Cluster, services.Grains);
        (_clock, _seed, _log) = (services.Clock, seed, services.Log);
        _unseen = [.. _options.Workers.Select(worker => EngineLocation.NamedOn(services.Silos.Here, worker))];
        Lines = new LogQueue(count => Log.LinesDropped(_log, count));
        _loops = new LoopGuard((error, loop) => Log.PlaneLoopDied(_log, error, loop));
        _waiters = new Waiters(_gate, _clock);
        _fleet = new FleetConnection(this, services);
        _witness = new WitnessReporter(services, LegsInFlight);
    }

    public FleetSnapshot Fleet => Volatile.Read(ref _state)?.Fleet ?? FleetSnapshot.Empty;
    public bool UsesPrefixBlocks => Volatile.Read(ref _state)?.NeedsPrefix == true;

    /// <summary>Completes with its exception when a background loop has failed; the process should then end.</summary>
    public Task<Exception> Died => _loops.Died;

    /// <summary>Completes when this gateway has its room prefix.</summary>
    public Task Joined => _joined.Task;

    /// <summary>Leases with a running leg.</summary>
    public int Leases => Read(state => state.Live);

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting => Read(state => state.Waiting);

    public RoomStats Rooms
    {
        get
        {
            var own = Read(state => state.Rooms);
            return own with
            {
                Registered = own.Registered + Interlocked.Read(ref _registered),
                Conflicts = own.Conflicts + Interlocked.Read(ref _conflicts),
            };
        }
    }

    /// <summary>Keys of prefixes and sessions learned from other gateways.</summary>
    public long AffinityLearned => Interlocked.Read(ref _affinityLearned);

    /// <summary>
    /// Queue for log lines that are written under the lock or on a loop that other silos depend on, so that logging cannot block.
    /// </summary>
    internal LogQueue Lines { get; }

    /// <summary>
    /// Mints rooms for readiness checks of workers whose grain is in this process; null before this gateway has joined.
    /// </summary>
    internal RoomMint? ReadinessRoomMint { get; private set; }

    /// <summary>The newest known report of a worker; null = unknown here.</summary>
    internal WorkerReport? ReportOf(WorkerId id) => Volatile.Read(ref _reports).GetValueOrDefault(id);

    WorkerSpec? IKnownWorkers.SpecOf(WorkerId id) => ReportOf(id)?.Spec;

    internal long? RegistrationOf(WorkerId id) => ReportOf(id)?.Registration;

    /// <summary>Starts to join the cluster and to follow its fleet; returns immediately.</summary>
    public void Start()
    {
        lock (_gate)
        {
            _loops.Run("join", _fleet.JoinAsync);
            _loops.Run("feed", _fleet.FollowAsync);
            _loops.Run("heartbeat", HeartbeatAsync);
            _loops.Run("membership", DeathsAsync);
            _loops.Run("witness", _witness.RunAsync);
            if (_cluster.AffinityIntervalMs > 0)
                _loops.Run("affinity", new AffinityPublisher(_services, NewAffinity).RunAsync);
        }
    }

    /// <summary>Refuses waiting and new requests; legs in flight may still be reported.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _state?.Stop();
            _waiters.CompleteGranted();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Drain();
        await _loops.DisposeAsync().ConfigureAwait(false);
    }

    public ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        AcquireAnswer answer;
        lock (_gate)
        {
            if (_state is not { } state)
            {
                return new(PairGrant.Refused(
                    new(RefusalReason.NoWorkers, "This gateway has not joined its cluster yet.", TimeSpan.FromSeconds(1))));
            }
            answer = state.Acquire(request, _clock.GetUtcNow(), _clock.GetTimestamp());
            _waiters.CompleteGranted();
            if (answer.Grant is { } grant)
                return new(grant);
            SignalAll();
        }
        return new(_waiters.WaitAsync(answer.Waiting!, cancellationToken));
    }

    public void LegEnded(PairLease lease, LegSide side, LegOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(lease);
        lock (_gate)
        {
            if (_state is not { } state || !state.LegEnded(lease, side, outcome, _clock.GetUtcNow(), _clock.GetTimestamp()))
                return;
            _waiters.CompleteGranted();
            var worker = side == LegSide.Prefill ? lease.Prefill! : lease.Decode;
            if (state.IsUrgent(worker.Slot) && RegistrationOf(worker.Id) is { } registration
                && _links.TryGetValue((worker.Id, registration), out var link))
            {
                link.Signal();
            }
        }
    }

    internal GatewayReport? NextReport(WorkerId id, long registration)
    {
        lock (_gate)
            return _state?.NextReport(id, registration, _clock.GetTimestamp(), _clock.TimestampFrequency);
    }

    /// <returns>True when there is more to report at once.</returns>
    internal bool Answered(WorkerId id, GatewayReport report, ReportAnswer answer, DateTimeOffset sentAt)
    {
        lock (_gate)
        {
            _state!.Answered(id, report, answer, sentAt, _clock.GetUtcNow(), _clock.GetTimestamp());
            _waiters.CompleteGranted();
            return _state.IsUrgent(id, report.Registration);
        }
    }

    private T Read<T>(Func<GatewayState, T> read)
    {
        lock (_gate)
            return _state is null ? default! : read(_state);
    }

    private void SignalAll()
    {
        foreach (var link in _links.Values)
            link.Signal();
    }
}
