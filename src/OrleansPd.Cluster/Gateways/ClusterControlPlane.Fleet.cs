using System.Runtime.InteropServices;
using OrleansPd.Core.Policies;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Input besides requests: the fleet, deaths of gateways, affinity entries of other gateways; and the heartbeat.
/// </summary>
public sealed partial class ClusterControlPlane
{
    internal GatewayHello Hello()
    {
        lock (_gate)
            return new(_services.Members.Self, _prefix, _unseen, [.. _reports.Values], [.. _sizes.Values]);
    }

    /// <summary>Starts admission: the fleet grain has assigned this gateway its room prefix.</summary>
    internal void Join(int prefix)
    {
        lock (_gate)
        {
            if (_prefix == prefix)
                return;
            if (_prefix >= 0)
                throw new InvalidOperationException($"this gateway has prefix {_prefix}, and was given {prefix}");
            _prefix = prefix;
            var counter = RoomMint.CounterAt(_clock.GetUtcNow());
            ReadinessRoomMint = new RoomMint((prefix * 2) + 1, counter);
            var mint = new RoomMint(prefix * 2, counter);
            var state = new GatewayState(_options, _services.Limits, _services.Members.Self, mint, _seed);
            _waiters.State = state;
            Volatile.Write(ref _state, state);
            Apply([.. _reports.Values]);
        }
        Lines.Add(() => Log.Joined(_log, _services.Members.Self, prefix));
        _joined.TrySetResult();
    }

    internal void Apply(FleetUpdate update)
    {
        lock (_gate)
        {
            var ids = update.Workers.Select(w => w.Id).ToHashSet();
            _unseen = _unseen.RemoveAll(spec => ids.Contains(spec.Id ?? WorkerAddress.IdOf(spec.Url)));
            var sizes = update.Sizes.IsDefault ? [] : update.Sizes;
            // The newest of each pool is kept, as with workers.
            var newer = sizes.Where(s => !_sizes.TryGetValue(s.Pool, out var known) || s.At > known.At);
            Volatile.Write(ref _sizes, _sizes.SetItems(newer.Select(s => KeyValuePair.Create(s.Pool, s))));
            Apply(update.Workers);
        }
    }

    /// <summary>Aborts requests of a dead gateway that were reported to this silo.</summary>
    internal void AbortLegsOf(string gateway)
    {
        var aborted = _services.Witnesses.GatewayDied(gateway, id => ReportOf(id)?.Snapshot);
        if (aborted > 0)
            Lines.Add(() => Log.AbortingReported(_log, gateway, aborted));
    }

    internal void Learn(AffinityNote note)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(note.Words).ToArray();
        Interlocked.Add(ref _affinityLearned, Read(state => state.Learn(new AffinityUpdate(note.Workers, words))));
    }

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(HeartbeatInterval, _clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            lock (_gate)
            {
                _state?.Tick(_clock.GetUtcNow(), _clock.GetTimestamp());
                _waiters.CompleteGranted();
            }
        }
    }

    private async Task DeathsAsync(CancellationToken cancellationToken)
    {
        await foreach (var gateway in _services.Members.DeathsAsync(cancellationToken).ConfigureAwait(false))
        {
            Lines.Add(() => Log.GatewayDead(_log, gateway));
            AbortLegsOf(gateway);
            _services.Deaths.GatewayDied(gateway);
            _witness.Retry();
            lock (_gate)
            {
                foreach (var link in _links.Values)
                    link.TryAgain();
            }
        }
    }

    private ImmutableArray<LegsOnWorker> LegsInFlight() =>
        [.. Read(state => state.LiveRids())?.Select(w => new LegsOnWorker(w.Key, w.Value.ToImmutable())) ?? []];

    private AffinityUpdate? NewAffinity(bool all) => Read(state => state.TakeUpdates(all));

    /// <summary>Under the lock.</summary>
    private void Apply(ImmutableArray<WorkerReport> workers)
    {
        var before = _reports;
        // A grain that was just activated may report less than this gateway knows: keep the newest report of each worker.
        var reports = workers.ToImmutableDictionary(
            r => r.Id, r => before.TryGetValue(r.Id, out var known) && known.IsNewerThan(r) ? known : r);
        Volatile.Write(ref _reports, reports);
        foreach (var report in reports.Values)
        {
            var old = before.GetValueOrDefault(report.Id)?.Snapshot;
            if (old?.Phase != report.Snapshot.Phase || old.Epoch != report.Snapshot.Epoch)
            {
                Lines.Add(() => Log.PhaseChanged(
                    _log, report.Snapshot.Role, report.Id, report.Snapshot.Epoch, old?.Phase, report.Snapshot.Phase,
                    report.Snapshot.Reason is { } why ? why + "." : null));
            }
        }
        if (_state is not { } state)
            return;
        _ = state.Apply([.. reports.Values], _clock.GetUtcNow(), _clock.GetTimestamp());
        _waiters.CompleteGranted();
        foreach (var (id, registration) in state.Tracked)
        {
            if (!_links.ContainsKey((id, registration)) && !_loops.Stopping.IsCancellationRequested)
            {
                var link = _links[(id, registration)] = new WorkerLink(this, id, registration, _cluster, _grains, _clock, _log);
                _loops.Run(id.Value, stop => RunAsync(link, (id, registration), stop));
            }
        }
        SignalAll();
    }

    private async Task RunAsync(WorkerLink link, (WorkerId, long) key, CancellationToken cancellationToken)
    {
        await link.RunAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
            _links.Remove(key);
    }
}
