namespace OrleansPd.Simulator.Bootstrap;

/// <summary>The owner rank of each room. An entry expires between one and two TTLs after its last registration.</summary>
internal sealed class RoomOwners(TimeSpan ttl, TimeProvider clock)
{
    private readonly ConcurrentDictionary<long, (int Rank, long Since)> _owners = new();

    public int Count => _owners.Count;

    public void Register(long room, int rank) => _owners[room] = (rank, clock.GetTimestamp());

    public int? Find(long room) => _owners.TryGetValue(room, out var owner) ? owner.Rank : null;

    public async Task SweepAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(ttl, clock);
        while (await timer.WaitForNextTickAsync(ct))
        {
            foreach (var (room, owner) in _owners)
            {
                if (clock.GetElapsedTime(owner.Since) > ttl)
                    _owners.TryRemove(KeyValuePair.Create(room, owner));
            }
        }
    }
}
