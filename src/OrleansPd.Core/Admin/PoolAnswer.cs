namespace OrleansPd.Core.Admin;

/// <summary>Result of a <see cref="PoolTarget"/>: the pool afterwards, or the problem.</summary>
/// <param name="Pool">Null on failure.</param>
/// <param name="Drained">Workers drained by it.</param>
/// <param name="Problem">Null on success.</param>
/// <param name="Message">The problem in one sentence.</param>
public readonly record struct PoolAnswer(PoolView? Pool, ImmutableArray<WorkerId> Drained, AdminProblem? Problem, string? Message)
{
    public static PoolAnswer Done(PoolView pool, ImmutableArray<WorkerId> drained) => new(pool, drained, null, null);

    public static PoolAnswer Failed(AdminProblem problem, string message) => new(null, [], problem, message);
}
