namespace OrleansPd.Client.Contracts;

/// <summary>
/// Which messages a silo speaks. New members of a message need no new number: whoever does not know them skips them. A number is
/// for what old silos would misunderstand.
/// </summary>
public static class ContractVersion
{
    /// <summary>What this build says.</summary>
    public const int Spoken = 1;

    /// <summary>The oldest it understands; silos older than this may not be in its cluster.</summary>
    public const int Oldest = 1;
}
