namespace OrleansPd.Core.Rooms;

/// <summary>What became of a registration of a room's owner.</summary>
public enum RankRegistration
{
    /// <summary>It stands, for one TTL or as long as the room's lease lives.</summary>
    Stored,

    /// <summary>Another rank has the room; that one is kept.</summary>
    Conflict,

    /// <summary>The table is full of rooms that are pinned or young.</summary>
    Full,
}
