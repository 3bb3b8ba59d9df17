namespace OrleansPd.Core.Admin;

/// <summary>What became of an operator's wish: the worker afterwards, or why not.</summary>
/// <param name="Worker">Null when it could not be done.</param>
/// <param name="Problem">Null when it was done.</param>
/// <param name="Message">One sentence about the problem.</param>
public readonly record struct AdminAnswer(WorkerView? Worker, AdminProblem? Problem, string? Message)
{
    public static AdminAnswer Done(WorkerView worker) => new(worker, null, null);

    public static AdminAnswer Failed(AdminProblem problem, string message) => new(null, problem, message);
}

/// <summary>Why an operator's wish could not be done.</summary>
public enum AdminProblem
{
    /// <summary>No worker has that name.</summary>
    NotFound,

    /// <summary>A worker of that name is registered.</summary>
    Duplicate,

    /// <summary>Not in the state the worker is in.</summary>
    Conflict,

    /// <summary>The engine cannot do that, or would not.</summary>
    EngineRefused,

    /// <summary>It did not become possible in time.</summary>
    TimedOut,

    /// <summary>It makes no sense; nothing has changed.</summary>
    Invalid,

    /// <summary>Whoever must store it does not answer now. It may have been stored all the same: say it again.</summary>
    Unavailable,
}
