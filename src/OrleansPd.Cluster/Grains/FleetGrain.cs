using OrleansPd.Cluster.Membership;

namespace OrleansPd.Cluster.Grains;

/// <summary>The grain of the <see cref="FleetRoster"/> and of the room prefixes.</summary>
[GrainType("fleet"), KeepAlive]
internal sealed class FleetGrain(
    [PersistentState("fleet", PdClusterOptions.Storage)] IPersistentState<FleetRecord> stored, PdClusterOptions options,
    ClusterMembers members,
    PdTime time, ILogger<FleetGrain> log) : Grain, IFleetGrain
{
    // Twice the time in which every gateway reports what it knows.
    private readonly FleetRoster _roster = new(2 * TimeSpan.FromSeconds(options.HelloIntervalSecs));
    private FleetRecovery _recovery = null!;
    private FleetFeed? _feed;
    private long _epoch;
    private FleetRecord _record = new();
    private bool _isChanged;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _epoch = Stored.NextEpoch(stored.State.Epoch, time.Now);
        _record = new FleetRecord { Pools = stored.State.Pools, Prefixes = stored.State.Prefixes, Epoch = _epoch };
        _recovery = new FleetRecovery(_roster, GrainFactory, time, log);
        _feed = new FleetFeed(_epoch, members.Leaving);
        await stored.SaveEpochAsync(_record, "the fleet", log);
        if (!stored.RecordExists)
            _roster.BeginLearning(time.Now);
        var interval = TimeSpan.FromMilliseconds(options.WatchIntervalMs);
        // Interleaved: a pool that does not answer must not delay gateways that join.
        this.RegisterGrainTimer(
            PollPoolsAsync, new() { DueTime = TimeSpan.Zero, Period = interval, Interleave = true, KeepAlive = true });
    }

    public IAsyncEnumerable<FleetUpdate> Watch(long epoch, long version, CancellationToken cancellationToken) =>
        _feed!.Watch(epoch, version, cancellationToken);

    public async Task<GatewayTerm> Join(GatewayHello hello)
    {
        await _recovery.RestoreAsync(hello, StorePoolsAsync);
        _roster.GatewayReported(hello.Gateway, members.Living());
        if (hello.Prefix < 0 && _roster.IsLearning(time.Now))
        {
            return new GatewayTerm(-1); // a prefix of another gateway would create its rooms twice
        }
        var prefixes = new RoomPrefixes(_record.Prefixes).Without(members.IsDead);
        var (next, prefix) = prefixes.Take(hello.Gateway, hello.Prefix)
            ?? throw new InvalidOperationException($"all {RoomPrefixes.Max} prefixes of rooms are taken");
        if (next.Owners.Count != _record.Prefixes.Count || !_record.Prefixes.ContainsKey(prefix) || !stored.RecordExists)
            await StoreAsync(_record.Pools, next.Owners);
        if (!hello.Named.IsEmpty && !_roster.IsLearning(time.Now))
            await Add(hello.Named);
        return new GatewayTerm(prefix);
    }

    public Task Changed(PoolSnapshot pool)
    {
        Apply(pool);
        return Task.CompletedTask;
    }

    public Task<ImmutableArray<PoolSnapshot>> Pools() =>
        Task.FromResult<ImmutableArray<PoolSnapshot>>([.. _roster.Pools.Select(p => p.Snapshot())]);

    public async Task<PoolSnapshot> Scale(string pool, int? targetSize)
    {
        var isNew = !_record.Pools.Contains(pool);
        if (!_roster.IsLearning(time.Now))
        {
            await StorePoolsAsync([pool]);
            // If the pool's stored state was lost, restore it first: storing only the new target size would make the pool look
            // complete.
            await _recovery.RestorePoolAsync(pool, Apply);
        }
        if (_roster.IsLearning(time.Now) || (_roster.IsBlank(pool) && !isNew))
        {
            throw new InvalidOperationException(
                "the stored state of the pool is lost; it is being restored from the gateways, so try again");
        }
        return await GrainFactory.GetGrain<IWorkerPoolGrain>(pool).Scale(targetSize);
    }

    public async Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs)
    {
        var known = _roster.Workers.Select(w => w.Id).ToHashSet();
        var added = new List<WorkerId>();
        foreach (var pool in specs.Where(s => !known.Contains(s.Id ?? WorkerAddress.IdOf(s.Url))).GroupBy(PoolKey.Of))
        {
            await StorePoolsAsync([pool.Key]);
            added.AddRange(await GrainFactory.GetGrain<IWorkerPoolGrain>(pool.Key).Add([.. pool]));
        }
        return [.. added];
    }

    private async Task StorePoolsAsync(IEnumerable<string> pools)
    {
        var all = _record.Pools.Union(pools);
        if (all.Count > _record.Pools.Count)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(all.Count, FleetRoster.MaxPools, nameof(pools));
            await StoreAsync(all, _record.Prefixes);
        }
    }

    private async Task StoreAsync(ImmutableHashSet<string> pools, ImmutableSortedDictionary<int, string> prefixes)
    {
        var next = new FleetRecord { Pools = pools, Prefixes = prefixes, Epoch = _epoch };
        await stored.SaveAsync(next, "the fleet", log);
        _record = next;
    }

    private async Task PollPoolsAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_record.Pools.Select(key => _recovery.PollAsync(key, Apply)));
        Publish(); // changes that could not be published before
    }

    private void Apply(PoolSnapshot pool)
    {
        if (_record.Pools.Contains(pool.Key))
        {
            _isChanged |= _roster.Apply(pool.State(), time.Now);
            Publish();
        }
    }

    private void Publish()
    {
        if (_isChanged && _roster.HaveReported(_record.Pools) && !_roster.IsLearning(time.Now))
        {
            _isChanged = false;
            _feed!.Publish(
                _roster.Workers, [.. _roster.Pools.Where(p => p.TargetSize.At > 0)
                    .Select(p => PoolMessages.Size(p.Key, p.TargetSize))]);
        }
    }
}
