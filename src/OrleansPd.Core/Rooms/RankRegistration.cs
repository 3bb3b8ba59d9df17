namespace OrleansPd.Core.Rooms;

/// <summary>Outcome of a registration of the rank that owns a room.</summary>
public enum RankRegistration
{
    /// <summary>Stored for one TTL, or until the room's lease ends.</summary>
    Stored,

    /// <summary>Another rank owns the room; it is kept.</summary>
    Conflict,

    /// <summary>The table is full of rooms that are pinned or young.</summary>
    Full,
}
