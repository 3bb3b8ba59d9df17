namespace OrleansPd.Core.Policies;

/// <summary>A row of <see cref="PolicyTable"/>.</summary>
public sealed record PolicyEntry
{
    internal PolicyEntry(string name, string picks, string meantFor, Func<ControlPlaneOptions, PickPolicy> create)
    {
        (Name, Picks, MeantFor, Create) = (name, picks, meantFor, create);
    }

    public string Name { get; }

    /// <summary>Which rank it picks.</summary>
    public string Picks { get; }

    /// <summary>The role or the load it suits.</summary>
    public string MeantFor { get; }

    /// <summary>
    /// The policy that decode workers get when this one is given for both roles; null = this one. Decode engines keep no prefix
    /// cache by default.
    /// </summary>
    public string? OnDecode { get; init; }

    /// <summary>The policy of the SGLang router to which this one is the nearest; null = none, or it has the same name.</summary>
    public string? Replaces { get; init; }

    internal Func<ControlPlaneOptions, PickPolicy> Create { get; }
}
