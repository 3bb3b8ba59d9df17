namespace OrleansPd.Core.Placement;

/// <summary>A silo of a cluster and where it stands.</summary>
/// <param name="Silo">Names its life; never another's.</param>
/// <param name="Host">Address under which other silos reach it, without a port; IPv6 without brackets.</param>
/// <param name="Node">Name of its machine; empty = nobody said.</param>
/// <param name="Zone">Name of its zone; empty = nobody said.</param>
public sealed record SiloLocation(string Silo, string Host, string Node, string Zone);

/// <summary>How near a silo is to an engine; higher is nearer.</summary>
public enum Proximity
{
    /// <summary>Nothing is known that they have in common.</summary>
    Elsewhere,

    /// <summary>They are in one zone.</summary>
    SameZone,

    /// <summary>They are on one machine.</summary>
    SameNode,
}
