namespace OrleansPd.Core.Requests;

/// <summary>One attempt of one HTTP request, as far as admission and the choice of a pair depend on it.</summary>
public readonly record struct PairRequest()
{
    /// <summary>Model the client named; null = any (allowed where one model is served).</summary>
    public string? Model { get; init; }

    /// <summary>
    /// Names of the LoRA adapters that the request needs, sorted, one per line; null = none. If some worker of the model is known
    /// to have them, only such workers are used, on both sides; if none is, the engines answer.
    /// </summary>
    public string? Adapters { get; init; }

    /// <summary>
    /// The request cannot run on a pair (embeddings, scores and the like): only regular workers of the model are used. Default
    /// false.
    /// </summary>
    public bool OnlyRegular { get; init; }

    /// <summary>Rooms and decode slots this request takes: the length of its batch; at least 1.</summary>
    public int Items { get; init; } = 1;

    /// <summary>Prompt tokens of all items, estimated; 0 when unknown.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Upper bound of answer tokens of one item; -1 when the client gave none.</summary>
    public int MaxNewTokens { get; init; } = -1;

    /// <summary>Chained hashes of the prompt's blocks, for cache-aware policies; empty when no policy reads them.</summary>
    public ReadOnlyMemory<ulong> PrefixBlocks { get; init; }

    /// <summary>Stable hash of the client's session or routing key; 0 = none.</summary>
    public ulong SessionKey { get; init; }

    /// <summary>Among waiting requests the higher is served first; default 0.</summary>
    public int Priority { get; init; }

    /// <summary>0 for the first attempt, 1 for the first retry, ...</summary>
    public int Attempt { get; init; }

    /// <summary>Worker that failed an earlier attempt: used again only if there is no other. None by default.</summary>
    public WorkerId AvoidPrefill { get; init; }

    public WorkerId AvoidDecode { get; init; }

    /// <summary>A lease whose pair is preferred while it has room (samples of one prompt share its prefix).</summary>
    public PairLease? Near { get; init; }

    /// <summary>Maximum wait for capacity; zero = do not wait.</summary>
    public TimeSpan MaxWait { get; init; }

    /// <summary>Our id of the client's request, for the debug ring.</summary>
    public string? RequestId { get; init; }
}
