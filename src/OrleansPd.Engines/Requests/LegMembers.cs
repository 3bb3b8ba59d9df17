namespace OrleansPd.Engines.Requests;

/// <summary>Members that the gateway adds to a body for one leg. The default value adds nothing.</summary>
public readonly record struct LegMembers
{
    /// <summary>Host of the prefill's bootstrap server; null omits host, port and room (for a regular engine).</summary>
    public string? BootstrapHost { get; init; }

    /// <summary>Port of that server; null is written as JSON null, and the decode then uses its own flag.</summary>
    public int? BootstrapPort { get; init; }

    /// <summary>The room of a single request, 1 to 2^63-1.</summary>
    public long Room { get; init; }

    /// <summary>The rooms of a batch: one for each prompt, in order, all different, 1 to 2^63-1.</summary>
    public ReadOnlyMemory<long> Rooms { get; init; }

    /// <summary>The DP rank that runs the leg; null omits the member.</summary>
    public int? RoutedDpRank { get; init; }

    /// <summary>The prefill's DP rank; null omits the member.</summary>
    public int? DisaggPrefillDpRank { get; init; }

    /// <summary>Replaces the client's LoRA adapter; null keeps it.</summary>
    public string? LoraPath { get; init; }

    /// <summary>Replaces the client's request id; null keeps it.</summary>
    public string? Rid { get; init; }

    /// <summary>Replaces the client's request ids by a list, one for each prompt of a batch; empty keeps them.</summary>
    public ReadOnlyMemory<string> Rids { get; init; }
}
