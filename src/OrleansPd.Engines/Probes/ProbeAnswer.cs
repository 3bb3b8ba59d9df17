namespace OrleansPd.Engines.Probes;

/// <summary>How a probe ended.</summary>
/// <param name="Problem">Null when it was good; else a sentence for people.</param>
/// <param name="Refused">Nothing listens at the address.</param>
public readonly record struct ProbeAnswer(string? Problem, bool Refused = false)
{
    public static ProbeAnswer Good => default;

    public bool IsGood => Problem is null;
}
