using OrleansPd.Cluster.Placement;
using OrleansPd.Cluster.Workers;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// The grain of one worker: starts its <see cref="WorkerHost"/>, forwards calls to it and ends it, and migrates it to a silo
/// nearer to its engine. After a migration it continues from the last report and queries the gateways for their credits, as after
/// a crash.
/// </summary>
internal abstract class WorkerGrain(WorkerServices services) : Grain, IWorkerGrain, IGrainMigrationParticipant
{
    private const string Moved = "pd.report";
    private WorkerHost? _host;
    private WorkerReport? _last;

    public async Task Ensure(WorkerMember member, WorkerReport? last, bool isNew)
    {
        if (_host is { } host && host.Registration == member.Registration)
        {
            if (host.ShouldMove())
            {
                Log.Moves(services.Log, host.Id);
                this.MigrateOnIdle();
            }
            return;
        }
        if (_host is { } other && other.Registration > member.Registration)
        {
            return; // a pool that does not know the newest registration yet
        }
        await EndAsync();
        Begin(member, Newest(last, services.Plane.ReportOf(member.Id)), isNew);
    }

    public ValueTask<ReportAnswer> Sync(GatewayReport report)
    {
        // A gateway may call before the pool does: this silo's report of the worker is enough to start.
        if (_host is null && services.Plane.ReportOf(new(this.GetPrimaryKeyString())) is { } known
            && known.Registration == report.Registration)
        {
            Begin(new WorkerMember(known.Id, known.Spec, known.Registration), known, isNew: false);
        }
        return new(_host?.Sync(report) ?? new ReportAnswer(null, 0, IsKnown: false));
    }

    public Task<WorkerView?> View() => Task.FromResult(_host?.View());

    public Task<WorkerView?> Retire(bool force) => Change(force ? new WorkerInput.Remove() : new WorkerInput.Drain());

    public Task<WorkerView?> Patch(WorkerPatch patch) =>
        Change(_host?.Current is { } worker ? new WorkerInput.Patched(patch.ApplyTo(worker.Spec)) : null);

    public Task<AdminAnswer> SwitchRole(WorkerRole role) => _host is { } host
        ? host.SwitchRoleAsync(role)
        : Task.FromResult(AdminAnswer.NotRegistered(new(this.GetPrimaryKeyString())));

    public Task ReadAgain()
    {
        _host?.ReadAgain();
        return Task.CompletedTask;
    }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (_last is { } moved)
            Begin(new WorkerMember(moved.Id, moved.Spec, moved.Registration), moved, isNew: false);
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => EndAsync();

    public void OnDehydrate(IDehydrationContext dehydrationContext) => dehydrationContext.TryAddValue(Moved, _last);

    public void OnRehydrate(IRehydrationContext rehydrationContext) => rehydrationContext.TryGetValue(Moved, out _last);

    private static WorkerReport? Newest(WorkerReport? left, WorkerReport? right) =>
        left is null ? right : right is null || left.IsNewerThan(right) ? left : right;

    private void Begin(WorkerMember member, WorkerReport? last, bool isNew)
    {
        _host = new WorkerHost(services, member, last, isNew);
        _host.Start();
        _ = EndWithAsync(_host);
    }

    /// <summary>Ends this activation when its host ends; if the worker is still a member, its pool activates it again.</summary>
    private async Task EndWithAsync(WorkerHost host)
    {
        await host.Ended; // continues in the grain's turn
        if (ReferenceEquals(_host, host))
            DeactivateOnIdle();
    }

    private Task<WorkerView?> Change(WorkerInput? input)
    {
        if (_host is { } host && input is not null)
        {
            host.Apply(input);
            host.Signal();
        }
        return View();
    }

    private async Task EndAsync()
    {
        if (_host is { } host)
        {
            _host = null;
            await host.DisposeAsync();
            _last = host.IsGone ? null : host.Report;
        }
    }
}

[GrainType("prefillworker"), KeepAlive, BesideEngine]
internal sealed class PrefillWorkerGrain(WorkerServices services) : WorkerGrain(services), IPrefillWorkerGrain;

[GrainType("decodeworker"), KeepAlive, BesideEngine]
internal sealed class DecodeWorkerGrain(WorkerServices services) : WorkerGrain(services), IDecodeWorkerGrain;
