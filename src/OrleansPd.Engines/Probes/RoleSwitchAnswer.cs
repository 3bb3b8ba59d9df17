namespace OrleansPd.Engines.Probes;

/// <summary>An engine's answer to a role switch.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Message">The engine's message, or the gateway's.</param>
public readonly record struct RoleSwitchAnswer(RoleSwitchOutcome Outcome, string Message);

public enum RoleSwitchOutcome
{
    /// <summary>The engine has the new role.</summary>
    Switched,

    /// <summary>Not yet: requests are in flight on it.</summary>
    Busy,

    /// <summary>The engine cannot switch roles, or refused.</summary>
    Refused,
}
