namespace OrleansPd.Core.Rooms;

/// <summary>Counters of the room table. <c>Opened + Entered == Closed + Expired + Held</c>: no room is lost.</summary>
public readonly record struct RoomStats
{
    /// <summary>Rooms in the table now.</summary>
    public int Held { get; init; }

    /// <summary>Rooms pinned by a running lease.</summary>
    public int Pinned { get; init; }

    /// <summary>Rooms entered by leases.</summary>
    public long Opened { get; init; }

    /// <summary>Rooms entered by a registration, without a lease.</summary>
    public long Entered { get; init; }

    /// <summary>Rooms removed at the end of their lease.</summary>
    public long Closed { get; init; }

    /// <summary>Rooms dropped because they were older than the TTL or their prefill had restarted.</summary>
    public long Expired { get; init; }

    /// <summary>Registrations stored, repeated ones included.</summary>
    public long Registered { get; init; }

    /// <summary>Registrations refused because another rank owns the room.</summary>
    public long Conflicts { get; init; }

    /// <summary>Rooms refused because the table was full.</summary>
    public long Refused { get; init; }
}
