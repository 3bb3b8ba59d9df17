namespace OrleansPd.Engines.Probes;

/// <summary>The result of a probe.</summary>
/// <param name="Problem">Null when it was good; else a message for humans.</param>
/// <param name="Refused">No process listens at the address.</param>
public readonly record struct ProbeAnswer(string? Problem, bool Refused = false)
{
    public static ProbeAnswer Good => default;
    public bool IsGood => Problem is null;
}
