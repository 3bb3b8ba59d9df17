namespace OrleansPd.Core.Credits;

/// <summary>
/// The prefix under which each gateway mints rooms. A gateway keeps its prefix until its silo is dead; then another may get it,
/// because counters start at the current time. Each gateway has two prefixes of <see cref="Rooms.RoomMint"/>: one for requests,
/// one for readiness checks.
/// </summary>
/// <param name="Owners">Gateways by prefix.</param>
public sealed record RoomPrefixes(ImmutableSortedDictionary<int, string> Owners)
{
    /// <summary>Number of prefixes.</summary>
    public const int Max = 1 << (Rooms.RoomMint.PrefixBits - 1);

    public static RoomPrefixes None { get; } = new(ImmutableSortedDictionary<int, string>.Empty);

    /// <summary>The prefix of a gateway: the one it has, else the one it claims, else a free one.</summary>
    /// <returns>Null when all are taken.</returns>
    public (RoomPrefixes Next, int Prefix)? Take(string gateway, int claimed)
    {
        foreach (var (prefix, owner) in Owners)
        {
            if (owner == gateway)
                return (this, prefix);
        }
        if (claimed is >= 0 and < Max && !Owners.ContainsKey(claimed))
            return (new(Owners.Add(claimed, gateway)), claimed);
        for (var prefix = 0; prefix < Max; prefix++)
        {
            if (!Owners.ContainsKey(prefix))
                return (new(Owners.Add(prefix, gateway)), prefix);
        }
        return null;
    }

    /// <summary>Frees the prefixes of gateways that are dead.</summary>
    public RoomPrefixes Without(Func<string, bool> isDead)
    {
        ArgumentNullException.ThrowIfNull(isDead);
        var left = Owners.Where(o => !isDead(o.Value)).ToImmutableSortedDictionary();
        return left.Count == Owners.Count ? this : new(left);
    }
}
