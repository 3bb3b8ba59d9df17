namespace OrleansPd.Core.Workers;

/// <summary>Whether the engine of a worker can be killed without failing a request.</summary>
/// <param name="IsSafe">No request of ours is in flight on it, and no engine waits for KV that it holds.</param>
/// <param name="Why">The reason, for people.</param>
public readonly record struct KillSafety(bool IsSafe, string Why)
{
    public static KillSafety InRotation { get; } = new(false, "it takes requests; drain it first");

    /// <summary>Assesses a worker that takes no new requests.</summary>
    /// <param name="own">Our legs in flight on it, readiness checks included.</param>
    /// <param name="idleSince">When the last of them ended.</param>
    /// <param name="load">Its engine's last load report; null = not queried yet.</param>
    /// <remarks>
    /// A report from before our last leg ended proves nothing: a failed leg may have left KV behind. An engine that reports no
    /// load (no such route, or dead) is assessed by our own count. An engine whose report is stale is not safe: reports stop
    /// exactly when requests are stuck in the transfer queues.
    /// </remarks>
    public static KillSafety Of(int own, DateTimeOffset idleSince, EngineLoad? load)
    {
        if (own > 0)
            return new(false, own == 1 ? "1 request is in flight on it" : $"{own} requests are in flight on it");
        if (load is null || load.QueriedAt < idleSince)
            return new(false, "its engine has not reported its load yet");
        if (load.Problem is { } problem)
            return new(true, $"no request of ours is in flight; its engine reports no load: {problem}");
        foreach (var rank in load.Ranks)
        {
            if (rank.Age is { } age && load.QueriedAt - age < idleSince)
                return new(false, $"the load report of rank {rank.Rank} is older than its last request: a request may be stuck");
            if (rank.Requests > 0)
                return new(false, $"its engine still holds {rank.Requests} requests on rank {rank.Rank}");
        }
        return new(true, "no request of ours is in flight, and its engine reports that it is idle");
    }
}
