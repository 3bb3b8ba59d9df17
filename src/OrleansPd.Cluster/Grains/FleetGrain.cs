using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Membership;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Leases;

namespace OrleansPd.Cluster.Grains;

/// <summary>What is stored of the fleet.</summary>
[GenerateSerializer, Alias("pd.FleetRecord")]
internal sealed class FleetRecord
{
    [Id(0)]
    public ImmutableHashSet<string> Pools { get; set; } = [];

    [Id(1)]
    public ImmutableSortedDictionary<int, string> Prefixes { get; set; } = ImmutableSortedDictionary<int, string>.Empty;
}

/// <summary>The shell around the list of pools and the prefixes. It publishes nothing before all of its pools have spoken.</summary>
[KeepAlive]
internal sealed class FleetGrain(
    [PersistentState("fleet", ClusterOptions.Storage)] IPersistentState<FleetRecord> stored, ClusterOptions options, ClusterMembers members,
    PdTime time, ILogger<FleetGrain> log) : Grain, IFleetGrain
{
    private readonly Dictionary<string, PoolSnapshot> _pools = [];
    private TaskCompletionSource _changed = New();
    private FleetUpdate _fleet = new(0, 0, []);
    private FleetRecord _record = new();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _record = stored.State;
        _fleet = new FleetUpdate(time.Now.UtcTicks, 0, []);
        var interval = TimeSpan.FromMilliseconds(options.WatchIntervalMs);
        // Interleaved: a pool that does not answer must not hold up gateways that join.
        this.RegisterGrainTimer(LookAsync, new() { DueTime = TimeSpan.Zero, Period = interval, Interleave = true, KeepAlive = true });
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<FleetUpdate> Watch(long epoch, long version, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var (update, changed) = (_fleet, _changed.Task);
            if (update.Version > 0 && (update.Epoch, update.Version).CompareTo((epoch, version)) > 0)
            {
                (epoch, version) = (update.Epoch, update.Version);
                yield return update;
            }
            await changed.WaitAsync(cancellationToken);
        }
    }

    public async Task<GatewayTerm> Join(GatewayHello hello)
    {
        if (!stored.RecordExists && !hello.Known.IsEmpty)
        {
            await AdoptAsync(hello.Known); // everything stored was lost, but not what gateways remember
        }
        var prefixes = new GatewayPrefixes(_record.Prefixes).Without(members.IsDead);
        var (next, prefix) = prefixes.Take(hello.Gateway, hello.Prefix)
            ?? throw new InvalidOperationException($"all {GatewayPrefixes.Most} prefixes of rooms are taken");
        if (next.Owners.Count != _record.Prefixes.Count || !_record.Prefixes.ContainsKey(prefix) || !stored.RecordExists)
        {
            await StoreAsync(_record.Pools, next.Owners);
        }
        if (!hello.Named.IsEmpty)
        {
            await Add(hello.Named);
        }
        return new GatewayTerm(prefix);
    }

    public Task Changed(PoolSnapshot pool)
    {
        if (_record.Pools.Contains(pool.Key))
        {
            Take(pool);
        }
        return Task.CompletedTask;
    }

    public Task<ImmutableArray<PoolSnapshot>> Pools() => Task.FromResult<ImmutableArray<PoolSnapshot>>([.. _pools.Values]);

    public async Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs)
    {
        var known = _pools.Values.SelectMany(p => p.Workers).Select(w => w.Id).ToHashSet();
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

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task AdoptAsync(ImmutableArray<WorkerReport> known)
    {
        var pools = known.GroupBy(r => PoolKey.Of(r.Spec)).ToArray();
        await StoreAsync(_record.Pools.Union(pools.Select(p => p.Key)), _record.Prefixes);
        foreach (var pool in pools)
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
        await Task.WhenAll(_record.Pools.Select(async key =>
        {
            try
            {
                Take(await GrainFactory.GetGrain<IWorkerPoolGrain>(key).Current());
            }
            catch (Exception e)
            {
                Log.FleetAway(log, e.Message); // asked again at the next look
            }
        }));
    }

    private void Take(PoolSnapshot pool)
    {
        if (_pools.TryGetValue(pool.Key, out var known) && (pool.Epoch, pool.Version).CompareTo((known.Epoch, known.Version)) <= 0)
        {
            return;
        }
        // A pool that was just started knows less of its members than was told before.
        var before = known?.Workers.ToDictionary(w => w.Id) ?? [];
        _pools[pool.Key] = pool with
        {
            Workers = [.. pool.Workers.Select(w => before.TryGetValue(w.Id, out var old) && old.IsNewerThan(w) ? old : w)],
        };
        if (_record.Pools.All(_pools.ContainsKey))
        {
            _fleet = _fleet with { Version = _fleet.Version + 1, Workers = [.. _pools.Values.SelectMany(p => p.Workers)] };
            var changed = _changed;
            _changed = New();
            changed.TrySetResult();
        }
    }
}
