using System.Collections.Immutable;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>What became of a <see cref="PoolTarget"/>: the pool afterwards, or why not.</summary>
/// <param name="Pool">Null when it could not be done.</param>
/// <param name="Drained">Workers that were taken out of rotation for it.</param>
/// <param name="Problem">Null when it was done.</param>
/// <param name="Message">One sentence about the problem.</param>
public readonly record struct PoolAnswer(PoolView? Pool, ImmutableArray<WorkerId> Drained, AdminProblem? Problem, string? Message)
{
    public static PoolAnswer Done(PoolView pool, ImmutableArray<WorkerId> drained) => new(pool, drained, null, null);

    public static PoolAnswer Failed(AdminProblem problem, string message) => new(null, [], problem, message);
}
