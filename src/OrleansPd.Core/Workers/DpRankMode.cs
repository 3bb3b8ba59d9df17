namespace OrleansPd.Core.Workers;

/// <summary>
/// Who chooses the data-parallel rank of a leg, and how the engines learn of it. With one rank nothing is sent.
/// </summary>
public enum DpRankMode
{
    /// <summary>We choose, and say so on both legs; the room agrees with the prefill's rank too. Needs SGLang 0.5.10.</summary>
    Explicit,

    /// <summary>
    /// We choose; the prefill learns it from the room alone (<c>room mod dp_size</c>). Any release with follow_bootstrap_room.
    /// </summary>
    Modulo,

    /// <summary>The engines choose and find each other by register/query; no rank members, any room.</summary>
    Engine,
}
