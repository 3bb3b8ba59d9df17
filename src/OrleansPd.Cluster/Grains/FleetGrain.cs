using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Membership;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Leases;

namespace OrleansPd.Cluster.Grains;

/// <summary>The shell around the <see cref="FleetRoster"/> and the prefixes.</summary>
[KeepAlive]
internal sealed class FleetGrain(
    [PersistentState("fleet", ClusterOptions.Storage)] IPersistentState<FleetRecord> stored, ClusterOptions options, ClusterMembers members,
    PdTime time, ILogger<FleetGrain> log) : Grain, IFleetGrain
{
    // Twice what a gateway takes to come back with what it remembers.
    private readonly FleetRoster _roster = new(2 * TimeSpan.FromSeconds(options.HelloIntervalSecs));
    private FleetFeed? _feed;
    private FleetRecord _record = new();
    private bool _untold;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _record = stored.State;
        _feed = new FleetFeed(time.Now.UtcTicks);
        if (!stored.RecordExists)
        {
            _roster.BeginLearning(time.Now);
        }
        var interval = TimeSpan.FromMilliseconds(options.WatchIntervalMs);
        // Interleaved: a pool that does not answer must not hold up gateways that join.
        this.RegisterGrainTimer(LookAsync, new() { DueTime = TimeSpan.Zero, Period = interval, Interleave = true, KeepAlive = true });
        return Task.CompletedTask;
    }

    public IAsyncEnumerable<FleetUpdate> Watch(long epoch, long version, CancellationToken cancellationToken) =>
        _feed!.Watch(epoch, version, cancellationToken);

    public async Task<GatewayTerm> Join(GatewayHello hello)
    {
        await AdoptAsync(hello.Known);
        _roster.Heard(hello.Gateway, members.Living());
        if (hello.Prefix < 0 && _roster.IsLearning(time.Now))
        {
            return new GatewayTerm(-1); // one that others have would make their rooms this gateway's too
        }
        var prefixes = new GatewayPrefixes(_record.Prefixes).Without(members.IsDead);
        var (next, prefix) = prefixes.Take(hello.Gateway, hello.Prefix)
            ?? throw new InvalidOperationException($"all {GatewayPrefixes.Most} prefixes of rooms are taken");
        if (next.Owners.Count != _record.Prefixes.Count || !_record.Prefixes.ContainsKey(prefix) || !stored.RecordExists)
        {
            await StoreAsync(_record.Pools, next.Owners);
        }
        if (!hello.Named.IsEmpty && !_roster.IsLearning(time.Now))
        {
            await Add(hello.Named);
        }
        return new GatewayTerm(prefix);
    }

    public Task Changed(PoolSnapshot pool)
    {
        Take(pool);
        return Task.CompletedTask;
    }

    public Task<ImmutableArray<PoolSnapshot>> Pools() => Task.FromResult<ImmutableArray<PoolSnapshot>>(
        [.. _roster.Pools.Select(p => new PoolSnapshot(p.Key, p.Epoch, p.Version, p.Wanted, p.Workers, p.IsBlank))]);

    public async Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs)
    {
        var known = _roster.Workers.Select(w => w.Id).ToHashSet();
        var added = new List<WorkerId>();
        foreach (var pool in specs.Where(s => !known.Contains(s.Id ?? WorkerAddress.IdOf(s.Url))).GroupBy(PoolKey.Of))
        {
            if (!_record.Pools.Contains(pool.Key))
            {
                await StoreAsync(_record.Pools.Add(pool.Key), _record.Prefixes);
            }
            added.AddRange(await GrainFactory.GetGrain<IWorkerPoolGrain>(pool.Key).Add([.. pool]));
        }
        return [.. added];
    }

    /// <summary>Gives pools back what a gateway remembers, where everything stored was lost or theirs was.</summary>
    private async Task AdoptAsync(ImmutableArray<WorkerReport> known)
    {
        var lost = known.GroupBy(r => PoolKey.Of(r.Spec)).Where(p => _roster.IsLearning(time.Now) || _roster.IsBlank(p.Key)).ToArray();
        var pools = _record.Pools.Union(lost.Select(p => p.Key));
        if (pools.Count != _record.Pools.Count)
        {
            await StoreAsync(pools, _record.Prefixes);
        }
        foreach (var pool in lost)
        {
            await GrainFactory.GetGrain<IWorkerPoolGrain>(pool.Key).Adopt([.. pool]);
        }
    }

    private async Task StoreAsync(ImmutableHashSet<string> pools, ImmutableSortedDictionary<int, string> prefixes)
    {
        var next = new FleetRecord { Pools = pools, Prefixes = prefixes };
        await stored.SaveAsync(next, "the fleet", log);
        _record = next;
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_record.Pools.Select(LookAtAsync));
        Tell(); // what had to wait
    }

    private async Task LookAtAsync(string key)
    {
        try
        {
            var grain = GrainFactory.GetGrain<IWorkerPoolGrain>(key);
            var pool = await grain.Current();
            Take(pool);
            if (pool.IsBlank && _roster.Remembered(key) is { IsEmpty: false } remembered)
            {
                await grain.Adopt(remembered);
            }
        }
        catch (Exception e)
        {
            Log.FleetAway(log, e.Message); // asked again at the next look
        }
    }

    private void Take(PoolSnapshot pool)
    {
        if (_record.Pools.Contains(pool.Key))
        {
            _untold |= _roster.Take(
                new PoolState(pool.Key, pool.Epoch, pool.Version, pool.Wanted, pool.IsBlank, pool.Workers), time.Now);
            Tell();
        }
    }

    private void Tell()
    {
        if (_untold && _roster.HaveSpoken(_record.Pools) && !_roster.IsLearning(time.Now))
        {
            _untold = false;
            _feed!.Tell(_roster.Workers);
        }
    }
}
