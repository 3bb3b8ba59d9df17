namespace OrleansPd.Client.Contracts;

/// <summary>
/// Version of the messages between silos. New members of a message need no new version, because older silos skip them. A new
/// version is for changes that older silos would misread.
/// </summary>
public static class ContractVersion
{
    /// <summary>The version of this build.</summary>
    public const int Current = 1;

    /// <summary>The oldest version it can read; older silos cannot be in its cluster.</summary>
    public const int Oldest = 1;
}
