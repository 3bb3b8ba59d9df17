namespace OrleansPd.Core.Workers;

/// <summary>
/// Which side chooses the data-parallel rank of a leg, and how the engines learn it. With one rank nothing is sent.
/// </summary>
public enum DpRankMode
{
    /// <summary>
    /// The gateway chooses and sends the rank on both legs; the room is congruent to the prefill rank. Needs SGLang 0.5.10.
    /// </summary>
    Explicit,

    /// <summary>
    /// The gateway chooses; the prefill engine derives its rank from the room alone (<c>room mod dp_size</c>). Any release with
    /// follow_bootstrap_room.
    /// </summary>
    Modulo,

    /// <summary>The engines choose and find each other by register/query; no rank members are sent and any room works.</summary>
    Engine,
}
