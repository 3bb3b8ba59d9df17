namespace OrleansPd.Core.Rooms;

/// <summary>The rooms of one gateway: mints them for leases, stores their owners, and closes them with their lease.</summary>
internal sealed class RoomBook(ControlPlaneOptions options, RoomMint mint)
{
    public RoomTable Table { get; } = new(TimeSpan.FromSeconds(options.RoomTtlSecs), options.MaxRooms);

    /// <summary>
    /// Mints and enters the rooms of a new lease. Rooms of a prefill with one rank are not entered: no engine queries them. If
    /// the gateway chooses the rank, engines do not query them either; they are entered nevertheless (about 100 ns each) to
    /// detect an engine that registers another rank than the one it was sent.
    /// </summary>
    public long[] Open(WorkerSnapshot prefill, int rank, WorkerSnapshot decode, int items)
    {
        var rooms = new long[items];
        var owner = options.DpRanks == DpRankMode.Engine ? -1 : rank;
        for (var i = 0; i < items; i++)
        {
            rooms[i] = mint.Next(prefill, rank, options.DpRanks);
            if (prefill.DpSize > 1)
                Table.Open(rooms[i], prefill, owner, decode);
        }
        return rooms;
    }

    public void Close(PairLease lease)
    {
        if (lease.Prefill is { DpSize: > 1 })
        {
            foreach (var room in lease.Rooms.Span)
                Table.Close(room);
        }
    }

}
