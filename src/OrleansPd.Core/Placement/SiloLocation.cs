namespace OrleansPd.Core.Placement;

/// <summary>A silo and its location.</summary>
/// <param name="Silo">Id of the silo process; never reused.</param>
/// <param name="Host">Address under which other silos reach it, without a port; IPv6 without brackets.</param>
/// <param name="Node">Name of its machine; empty = unknown.</param>
/// <param name="Zone">Name of its zone; empty = unknown.</param>
public sealed record SiloLocation(string Silo, string Host, string Node, string Zone);

/// <summary>How near a silo is to an engine; higher is nearer.</summary>
public enum Proximity
{
    /// <summary>Neither machine nor zone is known to be the same.</summary>
    Elsewhere,

    /// <summary>They are in one zone.</summary>
    SameZone,

    /// <summary>They are on one machine.</summary>
    SameNode,
}
