namespace OrleansPd.Core.Rooms;

/// <summary>
/// What the room table holds and has done. <c>Opened + Entered == Closed + Expired + Held</c>: no room is lost.
/// </summary>
public readonly record struct RoomStats
{
    /// <summary>Rooms in the table now.</summary>
    public int Held { get; init; }

    /// <summary>Those of them that a live lease pins.</summary>
    public int Pinned { get; init; }

    /// <summary>Rooms entered by leases.</summary>
    public long Opened { get; init; }

    /// <summary>Rooms entered by a registration, without a lease.</summary>
    public long Entered { get; init; }

    /// <summary>Rooms that left with their lease.</summary>
    public long Closed { get; init; }

    /// <summary>Rooms that were too old, or whose prefill was restarted since.</summary>
    public long Expired { get; init; }

    /// <summary>Registrations that were taken, repeated ones included.</summary>
    public long Registered { get; init; }

    /// <summary>Registrations of another rank than the one that stands; refused.</summary>
    public long Conflicts { get; init; }

    /// <summary>Rooms that found the table full.</summary>
    public long Refused { get; init; }
}
