namespace OrleansPd.Core.Workers;

/// <summary>Whether the engine behind a worker may be killed without harm to a request.</summary>
/// <param name="IsSafe">Nothing of ours is in flight on it, and it holds no KV that somebody waits for.</param>
/// <param name="Why">For people.</param>
public readonly record struct KillSafety(bool IsSafe, string Why)
{
    public static KillSafety InRotation { get; } = new(false, "it takes requests; drain it first");

    /// <summary>Judges a worker that takes no new requests.</summary>
    /// <param name="own">Our legs in flight on it, readiness trials included.</param>
    /// <param name="idleSince">When the last of them ended.</param>
    /// <param name="load">What its engine told last; null = it was not asked yet.</param>
    /// <remarks>
    /// Figures from before the last of our legs ended prove nothing: a leg that ended in failure may have left KV behind. An
    /// engine that does not tell (no such route, or dead) is safe by our own count; one whose figures stand still is not,
    /// because they stand still exactly when requests are stuck in its transfer queues.
    /// </remarks>
    public static KillSafety Of(int own, DateTimeOffset idleSince, EngineLoad? load)
    {
        if (own > 0)
        {
            return new(false, own == 1 ? "1 request is in flight on it" : $"{own} requests are in flight on it");
        }
        if (load is null || load.AskedAt < idleSince)
        {
            return new(false, "its engine was not yet asked whether it is idle");
        }
        if (load.Problem is { } problem)
        {
            return new(true, $"nothing of ours is in flight; its engine tells nothing: {problem}");
        }
        foreach (var rank in load.Ranks)
        {
            if (rank.Age is { } age && load.AskedAt - age < idleSince)
            {
                return new(false, $"the figures of rank {rank.Rank} are older than its last request: something may be stuck there");
            }
            if (rank.Requests > 0)
            {
                return new(false, $"its engine still holds {rank.Requests} requests on rank {rank.Rank}");
            }
        }
        return new(true, "nothing of ours is in flight, and its engine says it is idle");
    }
}
