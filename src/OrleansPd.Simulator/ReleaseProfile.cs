namespace OrleansPd.Simulator;

/// <summary>Behaviour that depends on the simulated SGLang release.</summary>
internal sealed record ReleaseProfile(int Patch)
{
    /// <summary>The two optional members of the server information: from 0.5.16.</summary>
    public bool OptionalSentinelMembers => Patch >= 16;

    /// <summary>A prefill fails rooms that imply another rank than the one chosen: from 0.5.11.</summary>
    public bool ConflictCheck => Patch >= 11;

    /// <summary><c>disagg_prefill_dp_rank</c> switches that check and the registration off: from 0.5.16.</summary>
    public bool PrefillHonoursRank => Patch >= 16;

    /// <summary>Members of the August 2026 trees, and their behaviour on lost clients: from 0.5.17.</summary>
    public bool August => Patch >= 17;

    /// <summary>A NIXL prefill looks at its clock: from 0.5.18.</summary>
    public bool NixlClock => Patch >= 18;

    /// <summary>The Rust front end's 400 and 503 are JSON: from 0.5.18.</summary>
    public bool RustJsonErrors => Patch >= 18;

    public static ReleaseProfile Of(string version)
    {
        var parts = version.Split('.');
        return parts.Length >= 3 && parts[0] == "0" && parts[1] == "5"
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var patch)
            ? new ReleaseProfile(patch)
            : throw new ArgumentException($"Not a release of the 0.5 line: '{version}'.", nameof(version));
    }
}
