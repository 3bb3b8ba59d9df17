using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Orleans.Runtime.Placement;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Telemetry;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Gateways;

/// <summary>What runs beside the requests.</summary>
public sealed partial class ClusterControlPlane
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Noticeable = TimeSpan.FromSeconds(2);

    /// <summary>For so long a gateway that has joined is told of all that is used, not only of what is new.</summary>
    private static readonly TimeSpan NewcomerLearns = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Says again and again that this gateway is there and what it knows, so a cluster that lost all learns it anew; and which
    /// workers its operator named, until they are in the fleet.
    /// </summary>
    private async Task JoinAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        while (true)
        {
            var pause = TimeSpan.FromSeconds(_cluster.HelloIntervalSecs);
            try
            {
                var term = await _grains.GetGrain<IFleetGrain>(0).Join(Hello()).WaitAsync(cancellationToken)
                    .ConfigureAwait(false);
                FleetAnswered();
                if (term.Prefix >= 0)
                {
                    Join(term.Prefix);
                }
                pause = _prefix < 0 ? Again : pause;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                FleetAway(e);
                pause = _prefix < 0 ? Again : pause;
            }
            await Task.Delay(pause, _clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private GatewayHello Hello()
    {
        lock (_gate)
        {
            return new(_members.Self, _prefix, _unseen, [.. _reports.Values], [.. _sizes.Values]);
        }
    }

    /// <summary>Said once, and only when it lasts: while silos come and go a call fails now and then.</summary>
    private void FleetAway(Exception error)
    {
        lock (_gate)
        {
            _fleetAwaySince ??= _clock.GetTimestamp();
            if (_fleetAwaySaid || _clock.GetElapsedTime(_fleetAwaySince.Value) < Noticeable)
            {
                return;
            }
            _fleetAwaySaid = true;
        }
        Log.FleetAway(_log, error.Message.Split('\n')[0]);
    }

    private void FleetAnswered()
    {
        lock (_gate)
        {
            _fleetAwaySince = null;
            if (!_fleetAwaySaid)
            {
                return;
            }
            _fleetAwaySaid = false;
        }
        Log.FleetBack(_log);
    }

    private void Join(int prefix)
    {
        lock (_gate)
        {
            if (_prefix == prefix)
            {
                return;
            }
            if (_prefix >= 0)
            {
                throw new InvalidOperationException($"this gateway has prefix {_prefix}, and was given {prefix}");
            }
            _prefix = prefix;
            var counter = RoomMint.CounterAt(_clock.GetUtcNow());
            ReadinessRoomMint = new RoomMint((prefix * 2) + 1, counter);
            var desk = new GatewayState(_options, _limits, _members.Self, new RoomMint(prefix * 2, counter), _seed);
            Volatile.Write(ref _state, desk);
            Take([.. _reports.Values]);
        }
        Log.Joined(_log, _members.Self, prefix);
        _joined.TrySetResult();
    }

    /// <summary>
    /// Follows the fleet. A feed ends with the silo it comes from; the next one begins with what is newer than what is known.
    /// </summary>
    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        var (epoch, version) = (0L, 0L);
        while (true)
        {
            var feed = _grains.GetGrain<IFleetGrain>(0).Watch(epoch, version, cancellationToken)
                .GetAsyncEnumerator(cancellationToken);
            try
            {
                while (await feed.MoveNextAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false))
                {
                    var update = feed.Current;
                    FleetAnswered();
                    // Two writers may exist for a moment; the later one is right.
                    if ((update.Epoch, update.Version).CompareTo((epoch, version)) > 0)
                    {
                        (epoch, version) = (update.Epoch, update.Version);
                        lock (_gate)
                        {
                            Take(update);
                        }
                    }
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                FleetAway(e);
            }
            finally
            {
                _ = EndAsync(feed);
            }
            await Task.Delay(Again, _clock, cancellationToken).ConfigureAwait(false);
        }

        // Nobody waits for this: the feed's silo may be gone, and telling it then takes as long as a call may take.
        static async Task EndAsync(IAsyncEnumerator<FleetUpdate> feed)
        {
            try
            {
                await feed.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // It ends by itself when its reader is not heard of any more.
            }
        }
    }

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(HeartbeatInterval, _clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            lock (_gate)
            {
                _state?.SharedTick(_clock.GetUtcNow(), _clock.GetTimestamp());
                CompleteGranted();
            }
        }
    }

    private async Task DeathsAsync(CancellationToken cancellationToken)
    {
        await foreach (var gateway in _members.DeathsAsync(cancellationToken).ConfigureAwait(false))
        {
            var aborted = _witnesses.GatewayDied(gateway, id => ReportOf(id)?.Shown);
            if (aborted > 0)
            {
                Log.GatewayDied(_log, gateway, aborted);
            }
            else
            {
                Log.GatewayGone(_log, gateway);
            }
            _deaths.GatewayDied(gateway);
            _witnessPause.End();
            lock (_gate)
            {
                foreach (var link in _links.Values)
                {
                    link.TryAgain();
                }
            }
        }
    }

    /// <summary>Lets another silo remember what this gateway has on the engines, as long as it has anything.</summary>
    private async Task ReportToWitnessAsync(CancellationToken cancellationToken)
    {
        var told = false;
        var requests = 0;
        while (true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(_cluster.WitnessIntervalMs + (requests / 10)), _clock, cancellationToken)
                .ConfigureAwait(false);
            if (_members.Successor() is not { } successor)
            {
                continue; // one silo alone has nobody to tell
            }
            ImmutableArray<LegsOnWorker> legs =
                [.. Read(desk => desk.LiveRids())?.Select(w => new LegsOnWorker(w.Key, w.Value.ToImmutable())) ?? []];
            requests = legs.Sum(l => l.Rids.Length);
            if (legs.IsEmpty && !told)
            {
                continue;
            }
            try
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, successor);
                await _grains.GetGrain<IWitnessGrain>(_members.Self).Remember(legs).WaitAsync(cancellationToken)
                    .ConfigureAwait(false);
                told = !legs.IsEmpty;
                _witnessPause.Succeeded();
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Log.NoWitness(_log, e.Message);
                await _witnessPause.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Tells the other gateways what the policies have learned. Nobody waits for it; what is lost is only a hint.
    /// </summary>
    private async Task PublishAffinityAsync(CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromMilliseconds(_cluster.AffinityIntervalMs);
        var known = ImmutableHashSet<string>.Empty;
        var joined = _clock.GetTimestamp();
        while (true)
        {
            await Task.Delay(interval, _clock, cancellationToken).ConfigureAwait(false);
            var others = _members.Others().ToArray();
            var now = others.Select(o => o.Gateway).ToImmutableHashSet();
            joined = now.IsSubsetOf(known) ? joined : _clock.GetTimestamp();
            known = now;
            if (Read(desk => desk.TakeUpdates(all: _clock.GetElapsedTime(joined) < NewcomerLearns)) is not { } news)
            {
                continue;
            }
            var told = new AffinityNote(news.Workers, MemoryMarshal.AsBytes(news.Words.Span).ToArray());
            foreach (var (gateway, silo) in others)
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, silo);
                _ = _grains.GetGrain<IAffinityGrain>(gateway).Tell(told);
            }
        }
    }

    /// <summary>Takes what another gateway has told.</summary>
    internal void Learn(AffinityNote told)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(told.Words).ToArray();
        Interlocked.Add(ref _affinityLearned, Read(desk => desk.Learn(new AffinityUpdate(told.Workers, words))));
    }

    /// <summary>Called under the lock.</summary>
    private void Take(FleetUpdate update)
    {
        var ids = update.Workers.Select(w => w.Id).ToHashSet();
        _unseen = _unseen.RemoveAll(spec => ids.Contains(spec.Id ?? WorkerAddress.IdOf(spec.Url)));
        var sizes = update.Sizes.IsDefault ? [] : update.Sizes;
        // As with workers: what was said last stands.
        var newer = sizes.Where(s => !_sizes.TryGetValue(s.Pool, out var known) || s.At > known.At);
        Volatile.Write(ref _sizes, _sizes.SetItems(newer.Select(s => KeyValuePair.Create(s.Pool, s))));
        Take(update.Workers);
    }

    /// <summary>Called under the lock.</summary>
    private void Take(ImmutableArray<WorkerReport> workers)
    {
        var before = _reports;
        // A writer that was just started knows less than what is known here: the newest of each worker stands.
        var reports = workers.ToImmutableDictionary(
            r => r.Id, r => before.TryGetValue(r.Id, out var known) && known.IsNewerThan(r) ? known : r);
        Volatile.Write(ref _reports, reports);
        foreach (var report in reports.Values)
        {
            var old = before.GetValueOrDefault(report.Id)?.Shown;
            if (old?.Phase != report.Shown.Phase || old.Epoch != report.Shown.Epoch)
            {
                Log.PhaseChanged(
                    _log, report.Shown.Role, report.Id, report.Shown.Epoch, old?.Phase, report.Shown.Phase,
                    report.Shown.Reason is { } why ? why + "." : null);
            }
        }
        if (_state is not { } desk)
        {
            return;
        }
        _ = desk.Take([.. reports.Values], _clock.GetUtcNow(), _clock.GetTimestamp());
        CompleteGranted();
        _loops.RemoveAll(loop => loop.IsCompleted);
        foreach (var (id, registration) in desk.Tracked)
        {
            if (!_links.ContainsKey((id, registration)) && !_stop.IsCancellationRequested)
            {
                var link = _links[(id, registration)] = new WorkerLink(this, id, registration, _cluster, _grains, _clock, _log);
                _loops.Add(Guarded(RunAsync(link, (id, registration)), id.Value));
            }
        }
        SignalAll();
    }

    private async Task RunAsync(WorkerLink link, (WorkerId, long) key)
    {
        await link.RunAsync(_stop.Token).ConfigureAwait(false);
        lock (_gate)
        {
            _links.Remove(key);
        }
    }

    private async Task Guarded(Task loop, string name)
    {
        try
        {
            await loop.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            Log.PlaneLoopDied(_log, e, name);
            _died.TrySetResult(e);
        }
    }
}
