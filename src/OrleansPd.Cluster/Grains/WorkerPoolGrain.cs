using OrleansPd.Cluster.Workers;

namespace OrleansPd.Cluster.Grains;

/// <summary>The grain of one pool's <see cref="PoolRoster"/>.</summary>
[GrainType("workerpool"), KeepAlive]
internal sealed class WorkerPoolGrain(
    [PersistentState("pool", PdClusterOptions.Storage)] IPersistentState<PoolRecord> stored, PdClusterOptions options,
    PdTime time,
    WorkerRegistry registry, ILogger<WorkerPoolGrain> log) : Grain, IWorkerPoolGrain
{
    private readonly HashSet<long> _new = [];
    private PoolRoster _roster = PoolRoster.Empty;
    private long _epoch;
    private long _version;
    private bool _isReported = true;

    private string Key => this.GetPrimaryKeyString();

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _roster = stored.State.Roster();
        _epoch = Stored.NextEpoch(stored.State.Epoch, time.Now);
        await stored.SaveEpochAsync(PoolRecord.Of(_roster, _epoch), $"pool {Key}", log);
        var interval = TimeSpan.FromMilliseconds(options.WatchIntervalMs);
        // Interleaved: a worker that does not answer must not delay reports of others. Each tick reads the roster again.
        this.RegisterGrainTimer(
            EnsureWorkersAsync, new() { DueTime = TimeSpan.Zero, Period = interval, Interleave = true, KeepAlive = true });
    }

    public async Task<ImmutableArray<WorkerId>> Add(ImmutableArray<WorkerSpec> specs)
    {
        var before = _roster;
        var next = before.Add(specs, time.Now);
        ImmutableArray<WorkerMember> added = [.. next.Members.Where(m => before.Find(m.Id) is null)];
        if (added.Length > 0)
        {
            await StoreAsync(next);
            _new.UnionWith(added.Select(m => m.Registration));
            await EnsureWorkersAsync(CancellationToken.None);
        }
        return [.. added.Select(m => m.Id)];
    }

    public async Task Adopt(ImmutableArray<WorkerReport> known)
    {
        await SaveAsync(_roster.Adopt(known));
    }

    public async Task<bool> Report(WorkerReport report)
    {
        await SaveAsync(_roster.Apply(report));
        return _roster.Find(report.Id)?.Registration == report.Registration;
    }

    public async Task Forget(WorkerId id, long registration)
    {
        var next = _roster.Forget(id, registration);
        if (next != _roster)
        {
            await StoreAsync(next);
            await ReportAsync();
        }
    }

    public Task<PoolSnapshot> Current() => Task.FromResult(Snapshot());

    public async Task<PoolSnapshot> Scale(int? targetSize)
    {
        await SaveAsync(_roster.Scale(targetSize, time.Now));
        return Snapshot();
    }

    public Task Restore(PoolSize remembered) => SaveAsync(_roster.Restore(remembered.ToTargetSize()));

    private PoolSnapshot Snapshot() =>
        new PoolState(Key, _epoch, _version, _roster.TargetSize, !stored.RecordExists, _roster.CurrentReports(time.Now))
            .Snapshot();

    private async Task StoreAsync(PoolRoster next)
    {
        await stored.SaveAsync(PoolRecord.Of(next, _epoch), $"pool {Key}", log);
        (_roster, _isReported) = (next, false);
        _version++;
    }

    private async Task SaveAsync(PoolRoster next)
    {
        if (next == _roster)
            return;
        if (next.Members != _roster.Members || next.TargetSize != _roster.TargetSize)
        {
            await StoreAsync(next);
        }
        else
        {
            (_roster, _isReported) = (next, false);
            _version++;
        }
        await ReportAsync();
    }

    private async Task ReportAsync()
    {
        var version = _version;
        try
        {
            await GrainFactory.GetGrain<IFleetGrain>(0).Changed(Snapshot());
            _isReported |= version == _version;
        }
        catch (Exception e)
        {
            Log.FleetAway(log, e.Message); // the next tick reports it again
        }
    }

    private async Task EnsureWorkersAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_roster.Members.Select(EnsureAsync));
        if (!_isReported)
            await ReportAsync();
    }

    private async Task EnsureAsync(WorkerMember member)
    {
        try
        {
            var isNew = _new.Contains(member.Registration);
            registry.Expect(member);
            await GrainFactory.WorkerGrain(member.Spec.Role, member.Id)
                .Ensure(member, _roster.Reports.GetValueOrDefault(member.Id), isNew);
            _new.Remove(member.Registration);
        }
        catch (Exception e)
        {
            Log.WriterAway(log, member.Id, e.Message);
        }
        finally
        {
            registry.Arrived(member);
        }
    }
}
