namespace OrleansPd.Engines.Requests;

/// <summary>The form of the client's request id.</summary>
public enum RidKind : byte
{
    /// <summary>No id.</summary>
    None,

    /// <summary>One string.</summary>
    String,

    /// <summary>A list with one string for each prompt of a batch.</summary>
    List,
}
