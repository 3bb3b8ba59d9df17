using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Rooms;

/// <summary>The rooms of one gateway: mints them for leases, knows who owns them, and closes them with their lease.</summary>
internal sealed class RoomBook(ControlPlaneOptions options, RoomMint mint)
{
    private readonly RoomTable _table = new(TimeSpan.FromSeconds(options.RoomTtlSecs), options.MaxRooms);

    public RoomStats Stats => _table.Stats;

    /// <summary>
    /// Mints the rooms of a new lease and enters them. Those of a prefill with one rank are not entered: no engine ever queries
    /// them. Where we choose the rank no engine queries them either; they are entered all the same, for some 100 ns each, because
    /// an engine that registers another rank than the one we sent is a fault that must be seen.
    /// </summary>
    public long[] Open(WorkerSnapshot prefill, int rank, WorkerSnapshot decode, int items)
    {
        var rooms = new long[items];
        var owner = options.DpRanks == DpRankMode.Engine ? -1 : rank;
        for (var i = 0; i < items; i++)
        {
            rooms[i] = mint.Next(prefill, rank, options.DpRanks);
            if (prefill.DpSize > 1)
            {
                _table.Open(rooms[i], prefill, owner, decode);
            }
        }
        return rooms;
    }

    /// <summary>Removes the rooms of a lease that has ended.</summary>
    public void Close(PairLease lease)
    {
        if (lease.Prefill is { DpSize: > 1 })
        {
            foreach (var room in lease.Rooms.Span)
            {
                _table.Close(room);
            }
        }
    }

    /// <inheritdoc cref="RoomTable.Register"/>
    public RankRegistration Register(long room, int rank, WorkerSnapshot? prefill, DateTimeOffset now) =>
        _table.Register(room, rank, prefill, now);

    /// <inheritdoc cref="RoomTable.Owner"/>
    public RoomOwner? Owner(long room, DateTimeOffset now) => _table.Owner(room, now);

    /// <inheritdoc cref="RoomTable.NewEpoch"/>
    public void NewEpoch(int slot) => _table.NewEpoch(slot);

    /// <inheritdoc cref="RoomTable.Sweep"/>
    public void Sweep(DateTimeOffset now) => _table.Sweep(now);
}
