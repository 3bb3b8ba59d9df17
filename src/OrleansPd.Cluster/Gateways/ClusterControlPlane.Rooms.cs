namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Registrations and queries of rooms. Rooms of this gateway's leases are handled here, all others by their shard. Engines make
/// these calls, not requests, so they may wait: a registration is acknowledged after it is stored.
/// </summary>
public sealed partial class ClusterControlPlane
{
    private readonly ConcurrentDictionary<int, Batcher<RoomClaim, byte>> _registrations = new();
    private readonly ConcurrentDictionary<int, Batcher<long, int>> _queries = new();

    private long _registered;
    private long _conflicts;

    public async ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken)
    {
        if (Read(state => state.Register(room, rank, _clock.GetUtcNow())) is { } known)
            return known;
        var shard = _registrations.GetOrAdd(ShardOf(room), number =>
            new(claims => _grains.GetGrain<IBootstrapRoomGrain>(number).Register(claims), _loops.Stopping));
        var answer = (RankRegistration)await shard.AskAsync(new(room, rank), cancellationToken).ConfigureAwait(false);
        if (answer == RankRegistration.Stored)
            Interlocked.Increment(ref _registered);
        else if (answer == RankRegistration.Conflict)
            Interlocked.Increment(ref _conflicts);
        return answer;
    }

    public async ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken)
    {
        var asked = new Task<int>?[rooms.Length];
        for (var i = 0; i < rooms.Length; i++)
        {
            var room = rooms.Span[i];
            var known = Read(state => state.OwnerOf(room, _clock.GetUtcNow()));
            ranks.Span[i] = known?.Rank ?? -1;
            if (known is null)
            {
                asked[i] = _queries.GetOrAdd(ShardOf(room), number =>
                    new(batch => _grains.GetGrain<IBootstrapRoomGrain>(number).Query(batch), _loops.Stopping))
                        .AskAsync(room, cancellationToken);
            }
        }
        for (var i = 0; i < asked.Length; i++)
        {
            if (asked[i] is { } answer)
            {
                var rank = await answer.ConfigureAwait(false);
                ranks.Span[i] = rank;
            }
        }
    }

    private int ShardOf(long room) => (int)((((ulong)room * 0x9E37_79B9_7F4A_7C15UL) >> 32) % (ulong)_cluster.RoomShards);
}
