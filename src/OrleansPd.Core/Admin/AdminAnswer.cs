namespace OrleansPd.Core.Admin;

/// <summary>Result of an operator's change: the worker afterwards, or the problem.</summary>
/// <param name="Worker">Null on failure.</param>
/// <param name="Problem">Null on success.</param>
/// <param name="Message">The problem in one sentence.</param>
public readonly record struct AdminAnswer(WorkerView? Worker, AdminProblem? Problem, string? Message)
{
    public static AdminAnswer Done(WorkerView worker) => new(worker, null, null);

    public static AdminAnswer NotRegistered(WorkerId id) => Failed(AdminProblem.NotFound, $"No worker '{id}' is registered.");

    public static AdminAnswer Failed(AdminProblem problem, string message) => new(null, problem, message);
}

/// <summary>Why an operator's change failed.</summary>
public enum AdminProblem
{
    /// <summary>No worker has that id.</summary>
    NotFound,

    /// <summary>A worker with that id is registered.</summary>
    Duplicate,

    /// <summary>Not possible in the worker's current state.</summary>
    Conflict,

    /// <summary>The engine does not support it, or refused.</summary>
    EngineRefused,

    /// <summary>Not possible within the time limit.</summary>
    TimedOut,

    /// <summary>Invalid values; nothing has changed.</summary>
    Invalid,

    /// <summary>The grain that must store it does not answer. It may have been stored: try again.</summary>
    Unavailable,
}
