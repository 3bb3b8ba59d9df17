namespace OrleansPd.Engines.Probes;

/// <summary>What an engine said when it was asked to take another role.</summary>
/// <param name="Outcome">The class of the answer.</param>
/// <param name="Message">Its words, or ours.</param>
public readonly record struct RoleSwitchAnswer(RoleSwitchOutcome Outcome, string Message);

public enum RoleSwitchOutcome
{
    /// <summary>It has the other role now.</summary>
    Switched,

    /// <summary>Not yet: something is in flight in it.</summary>
    Busy,

    /// <summary>It cannot, or will not.</summary>
    Refused,
}
