namespace OrleansPd.Core.States;

/// <summary>
/// The port between the gateway, which moves bytes, and the state of one process or of a cluster. Its members do not wait for
/// another machine in the common case.
/// </summary>
public interface IControlPlane
{
    /// <summary>The newest known fleet; <see cref="FleetSnapshot.Empty"/> before the first.</summary>
    FleetSnapshot Fleet { get; }

    /// <summary>Whether a policy in use reads <see cref="PairRequest.PrefixBlocks"/>; they are computed only then.</summary>
    bool UsesPrefixBlocks => false;

    /// <summary>What the room table holds and has done; zero where there is none.</summary>
    RoomStats Rooms => default;

    /// <summary>
    /// Admits one attempt of one request and chooses its pair and rooms. Completes at once when capacity is free, else
    /// waits in a bounded queue until the request's deadline. A refusal is a value, not an exception.
    /// </summary>
    /// <exception cref="OperationCanceledException">The caller cancelled; no lease is held.</exception>
    ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Ends one leg of a lease: frees what that leg held and counts a failure of the worker on its breaker. Each leg of a
    /// lease ends exactly once; a second report of the same leg changes nothing. When both have ended the rooms are closed.
    /// </summary>
    void LegEnded(PairLease lease, LegSide side, LegOutcome outcome);

    /// <summary>Stores which prefill rank owns a room (<c>POST /register_dp_rank</c>).</summary>
    ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken);

    /// <summary>
    /// Looks up the owning ranks of rooms (<c>POST /query_dp_ranks</c>); -1 where unknown. The spans have equal length.
    /// </summary>
    ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken);
}
