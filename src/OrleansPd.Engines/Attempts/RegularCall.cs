using System.Diagnostics;
using OrleansPd.Core.Requests;

namespace OrleansPd.Engines.Attempts;

/// <summary>A request that no pair can serve (embeddings and their kin, protocol §1.5), as it goes to a regular worker.</summary>
public sealed record RegularCall
{
    /// <summary>Path on the engine, e.g. <c>/v1/embeddings</c>.</summary>
    public required string Path { get; init; }

    /// <summary>The client's body, sent as it is.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>What the worker is chosen by; only regular ones are, whatever this says.</summary>
    public required PairRequest Pair { get; init; }

    /// <summary>The client's Authorization header, for engines that have no key of their own configured; null = none.</summary>
    public string? Authorization { get; init; }

    /// <summary>Headers for the engine.</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Headers { get; init; }

    /// <summary>The span of the request; default = not traced.</summary>
    public ActivityContext Trace { get; init; }
}
