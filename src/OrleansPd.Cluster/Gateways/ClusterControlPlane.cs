using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Options;
using OrleansPd.Cluster.Placement;
using OrleansPd.Core.Admission;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Options;
using OrleansPd.Core.Placement;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// The control plane of one gateway of a cluster: Core's <see cref="GatewayState"/> under one lock. Requests are admitted from
/// the newest snapshot and from credits at hand; no call here waits for a grain. Beside the requests run a feed of the fleet,
/// which subscribes again whenever it ends, and for each worker a link that reports to its writer and asks for credits ahead of
/// need.
/// </summary>
public sealed partial class ClusterControlPlane : IControlPlane, IKnownWorkers, IAsyncDisposable
{
    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromMilliseconds(100);
    private readonly Lock _gate = new();
    private readonly ControlPlaneOptions _options;
    private readonly PdClusterOptions _cluster;
    private readonly GatewayLimits _limits;
    private readonly IGrainFactory _grains;
    private readonly ClusterMembers _members;
    private readonly IGatewayDeaths _deaths;
    private readonly Witnesses _witnesses;
    private readonly SiloMap _silos;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly int _seed;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _loops = [];
    private readonly List<WaitingRequest> _granted = [];
    private readonly Dictionary<(WorkerId, long), WorkerLink> _links = [];
    private readonly TaskCompletionSource<Exception> _died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly RetryDelay _witnessPause;
    private readonly TaskCompletionSource _joined = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableDictionary<WorkerId, WorkerReport> _reports = ImmutableDictionary<WorkerId, WorkerReport>.Empty;
    private ImmutableDictionary<string, PoolSize> _sizes = ImmutableDictionary<string, PoolSize>.Empty;
    // Named by the operator, and not seen in the fleet so far. Who is removed later is not named again by this process.
    private ImmutableArray<WorkerSpec> _unseen;
    private GatewayState? _state;
    private long _affinityLearned;
    private long? _fleetAwaySince;
    private bool _fleetAwaySaid;
    private int _prefix = -1;

    internal ClusterControlPlane(
        ControlPlaneOptions options, PdClusterOptions cluster, GatewayLimits limits, IGrainFactory grains, ClusterMembers members,
        IGatewayDeaths deaths, Witnesses witnesses, SiloMap silos, TimeProvider clock, int seed, ILogger<ClusterControlPlane> log)
    {
        if (options.BootstrapFacade)
        {
            throw new ArgumentException(
                "BootstrapFacade is not to be had in a cluster: its addresses are of one process.", nameof(options));
        }
        // Said at the start rather than when the first fleet comes: a policy's name that is wrong throws.
        _ = new GatewayState(options, limits, "", new RoomMint(0, 0), seed);
        (_options, _cluster, _limits, _grains, _members, _deaths) = (options, cluster, limits, grains, members, deaths);
        (_witnesses, _silos, _clock, _seed, _log) = (witnesses, silos, clock, seed, log);
        _unseen = [.. options.Workers.Select(worker => EngineLocation.NamedOn(silos.Here, worker))];
        _witnessPause = new RetryDelay(clock);
    }

    public FleetSnapshot Fleet => Volatile.Read(ref _state)?.Fleet ?? FleetSnapshot.Empty;

    public bool UsesPrefixBlocks => Volatile.Read(ref _state)?.NeedsPrefix == true;

    /// <summary>Completes when a background loop has died, with its exception; the process should then end.</summary>
    public Task<Exception> Died => _died.Task;

    /// <summary>Completes when this gateway has a prefix of its own.</summary>
    public Task Joined => _joined.Task;

    /// <summary>Leases of which a leg still runs.</summary>
    public int Leases => Read(desk => desk.Live);

    /// <summary>Requests that wait for capacity.</summary>
    public int Waiting => Read(desk => desk.Waiting);

    public RoomStats Rooms
    {
        get
        {
            var own = Read(desk => desk.Rooms);
            return own with
            {
                Registered = own.Registered + Interlocked.Read(ref _registered),
                Conflicts = own.Conflicts + Interlocked.Read(ref _conflicts),
            };
        }
    }

    /// <summary>Keys of prefixes and sessions that other gateways have told.</summary>
    public long AffinityLearned => Interlocked.Read(ref _affinityLearned);

    /// <summary>Makes rooms for trials of workers whose writer is here; null before this gateway has joined.</summary>
    internal RoomMint? ReadinessRoomMint { get; private set; }

    /// <summary>The newest that is known of a worker here; null = nothing.</summary>
    internal WorkerReport? ReportOf(WorkerId id) => Volatile.Read(ref _reports).GetValueOrDefault(id);

    WorkerSpec? IKnownWorkers.SpecOf(WorkerId id) => ReportOf(id)?.Spec;

    internal long? RegistrationOf(WorkerId id) => ReportOf(id)?.Registration;

    /// <summary>Joins the cluster and follows its fleet, in the background; returns at once.</summary>
    public void Start()
    {
        lock (_gate)
        {
            _loops.Add(Guarded(JoinAsync(_stop.Token), "join"));
            _loops.Add(Guarded(FollowAsync(_stop.Token), "feed"));
            _loops.Add(Guarded(HeartbeatAsync(_stop.Token), "beat"));
            _loops.Add(Guarded(DeathsAsync(_stop.Token), "membership"));
            _loops.Add(Guarded(ReportToWitnessAsync(_stop.Token), "witness"));
            if (_cluster.AffinityIntervalMs > 0)
            {
                _loops.Add(Guarded(PublishAffinityAsync(_stop.Token), "affinity"));
            }
        }
    }

    /// <summary>Refuses what waits and what comes; leases in flight may still end.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _state?.Stop();
            CompleteGranted();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Drain();
        Task[] loops;
        lock (_gate)
        {
            loops = [.. _loops];
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(loops).ConfigureAwait(false);
    }

    public ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        WaitingRequest waiting;
        TaskCompletionSource<PairGrant> outcome;
        lock (_gate)
        {
            if (_state is not { } desk)
            {
                return new(PairGrant.Refused(
                    new(RefusalReason.NoWorkers, "This gateway has not joined its cluster yet.", TimeSpan.FromSeconds(1))));
            }
            var answer = desk.Acquire(request, _clock.GetUtcNow(), _clock.GetTimestamp());
            CompleteGranted();
            if (answer.Grant is { } grant)
            {
                return new(grant);
            }
            waiting = answer.Waiting!;
            waiting.Tag = outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
            SignalAll();
        }
        return new(WaitAsync(waiting, outcome, cancellationToken));
    }

    public void LegEnded(PairLease lease, LegSide side, LegOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(lease);
        lock (_gate)
        {
            if (_state is not { } desk || !desk.LegEnded(lease, side, outcome, _clock.GetUtcNow(), _clock.GetTimestamp()))
            {
                return;
            }
            CompleteGranted();
            var worker = side == LegSide.Prefill ? lease.Prefill! : lease.Decode;
            if (desk.IsUrgent(worker.Slot) && RegistrationOf(worker.Id) is { } registration
                && _links.TryGetValue((worker.Id, registration), out var link))
            {
                link.Signal();
            }
        }
    }

    internal GatewayReport? Tell(WorkerId id, long registration)
    {
        lock (_gate)
        {
            return _state?.Tell(id, registration, _clock.GetTimestamp(), _clock.TimestampFrequency);
        }
    }

    /// <returns>Whether there is more to tell at once.</returns>
    internal bool Answered(WorkerId id, GatewayReport report, ReportAnswer answer, DateTimeOffset sentAt)
    {
        lock (_gate)
        {
            _state!.Answered(id, report, answer, sentAt, _clock.GetUtcNow(), _clock.GetTimestamp());
            CompleteGranted();
            return _state.IsUrgent(id, report.Registration);
        }
    }

    private T Read<T>(Func<GatewayState, T> read)
    {
        lock (_gate)
        {
            return _state is null ? default! : read(_state);
        }
    }

    private async Task<PairGrant> WaitAsync(
        WaitingRequest waiting, TaskCompletionSource<PairGrant> outcome, CancellationToken cancellationToken)
    {
        using var timer = _clock.CreateTimer(_ => TimedOut(waiting, outcome), null, waiting.Wait, Timeout.InfiniteTimeSpan);
        using var gone = cancellationToken.UnsafeRegister(_ => Abandoned(waiting, outcome, cancellationToken), null);
        return await outcome.Task.ConfigureAwait(false);
    }

    private void TimedOut(WaitingRequest waiting, TaskCompletionSource<PairGrant> outcome)
    {
        lock (_gate)
        {
            if (_state!.TimedOut(waiting, _clock.GetUtcNow(), _clock.GetTimestamp()))
            {
                outcome.TrySetResult(waiting.Grant!.Value);
            }
            CompleteGranted();
        }
    }

    private void Abandoned(WaitingRequest waiting, TaskCompletionSource<PairGrant> outcome, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_state!.Abandon(waiting, _clock.GetUtcNow(), _clock.GetTimestamp()))
            {
                outcome.TrySetCanceled(cancellationToken);
            }
            CompleteGranted();
        }
    }

    private void CompleteGranted()
    {
        _state?.TakeGranted(_granted);
        foreach (var waiting in _granted)
        {
            ((TaskCompletionSource<PairGrant>)waiting.Tag!).TrySetResult(waiting.Grant!.Value);
        }
        _granted.Clear();
    }

    private void SignalAll()
    {
        foreach (var link in _links.Values)
        {
            link.Signal();
        }
    }
}
