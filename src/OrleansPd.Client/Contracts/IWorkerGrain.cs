using OrleansPd.Core.Admin;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// The one writer of one engine: health, breaker, epoch, credits. Its key is the worker's name. No call of it stands on a
/// request's path.
/// </summary>
[Alias("pd.IWorkerGrain")]
public interface IWorkerGrain : IGrainWithStringKey
{
    /// <summary>Starts looking after a registration, or goes on with it; from its pool, again and again.</summary>
    /// <param name="member">The worker.</param>
    /// <param name="last">What was told of it last; null = nothing.</param>
    /// <param name="isNew">It was added just now: nobody can hold credits.</param>
    [Alias("Ensure"), ResponseTimeout("00:00:02")]
    Task Ensure(WorkerMember member, WorkerReport? last, bool isNew);

    /// <summary>A gateway tells what it has here and is granted credits.</summary>
    [Alias("Sync"), ResponseTimeout("00:00:02")]
    ValueTask<ReportAnswer> Sync([Immutable] GatewayReport report);

    /// <summary>The worker as its operator sees it; null when nothing is looked after here.</summary>
    [Alias("View"), ResponseTimeout("00:00:02")]
    Task<WorkerView?> View();

    /// <summary>Takes it out of rotation; it is gone when nothing is left on it, or at once.</summary>
    [Alias("Retire"), ResponseTimeout("00:00:05")]
    Task<WorkerView?> Retire(bool force);

    /// <summary>Changes what may be changed while it serves.</summary>
    [Alias("Patch"), ResponseTimeout("00:00:02")]
    Task<WorkerView?> Patch(WorkerPatch patch);

    /// <summary>
    /// Takes it out of rotation, waits until it is idle, lets its engine take the other role. Answers when it began.
    /// </summary>
    [Alias("SwitchRole"), ResponseTimeout("00:00:05")]
    Task<AdminAnswer> SwitchRole(WorkerRole role);

    /// <summary>
    /// Its engine tells something else of itself than before: it is read again soon, whatever the interval. Waits for nothing.
    /// </summary>
    [Alias("ReadAgain"), ResponseTimeout("00:00:02")]
    Task ReadAgain();
}

/// <summary>The writer of a prefill engine.</summary>
[Alias("pd.IPrefillWorkerGrain")]
public interface IPrefillWorkerGrain : IWorkerGrain;

/// <summary>The writer of a decode engine, or of a regular one, which decodes too.</summary>
[Alias("pd.IDecodeWorkerGrain")]
public interface IDecodeWorkerGrain : IWorkerGrain;
