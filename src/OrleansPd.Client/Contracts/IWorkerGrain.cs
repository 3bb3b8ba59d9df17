namespace OrleansPd.Client.Contracts;

/// <summary>
/// Manages one engine: health, breaker, epoch, credits. Its key is the worker's id. No request waits for a call to it.
/// </summary>
[Alias("pd.IWorkerGrain")]
public interface IWorkerGrain : IGrainWithStringKey
{
    /// <summary>Starts or continues to manage a registration; the pool calls it at an interval.</summary>
    /// <param name="last">Its last report; null = none.</param>
    /// <param name="isNew">It was just added: no gateway can hold credits.</param>
    [Alias("Ensure"), ResponseTimeout("00:00:02")]
    Task Ensure(WorkerMember member, WorkerReport? last, bool isNew);

    /// <summary>Reports what a gateway has here and returns its credits.</summary>
    [Alias("Sync"), ResponseTimeout("00:00:02")]
    ValueTask<ReportAnswer> Sync([Immutable] GatewayReport report);

    /// <summary>The worker for the management API; null = not managed here.</summary>
    [Alias("View"), ResponseTimeout("00:00:02")]
    Task<WorkerView?> View();

    /// <summary>Drains it and removes it when it is idle; removes it at once with <paramref name="force"/>.</summary>
    [Alias("Retire"), ResponseTimeout("00:00:05")]
    Task<WorkerView?> Retire(bool force);

    /// <summary>Changes priority, cost, labels or key.</summary>
    [Alias("Patch"), ResponseTimeout("00:00:02")]
    Task<WorkerView?> Patch(WorkerPatch patch);

    /// <summary>
    /// Drains it, waits until it is idle and switches the role of its engine. Returns when the switch has begun.
    /// </summary>
    [Alias("SwitchRole"), ResponseTimeout("00:00:05")]
    Task<AdminAnswer> SwitchRole(WorkerRole role);

    /// <summary>The engine's facts changed: reads them again soon, not at the next interval. Does not wait for that.</summary>
    [Alias("ReadAgain"), ResponseTimeout("00:00:02")]
    Task ReadAgain();
}

/// <summary>Manages a prefill engine.</summary>
[Alias("pd.IPrefillWorkerGrain")]
public interface IPrefillWorkerGrain : IWorkerGrain;

/// <summary>Manages a decode or regular engine.</summary>
[Alias("pd.IDecodeWorkerGrain")]
public interface IDecodeWorkerGrain : IWorkerGrain;
