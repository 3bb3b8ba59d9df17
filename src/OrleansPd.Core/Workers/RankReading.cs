namespace OrleansPd.Core.Workers;

/// <summary>What an engine told of one of its ranks.</summary>
/// <param name="Rank">Data-parallel rank, from 0.</param>
/// <param name="Running">Requests that run.</param>
/// <param name="Waiting">Requests that wait, the queues of bootstrap, preallocation and transfer included.</param>
public readonly record struct RankReading(int Rank, int Running, int Waiting)
{
    /// <summary>Prefill: requests whose KV is being sent; not contained in the others.</summary>
    public int Sending { get; init; }

    /// <summary>Tokens of all requests, those that wait included.</summary>
    public long Tokens { get; init; }

    /// <summary>Most requests it runs at the same time; null = not told.</summary>
    public int? MaxRunning { get; init; }

    /// <summary>KV cache tokens; null = not told.</summary>
    public long? MaxTokens { get; init; }

    /// <summary>How old the figures were when they were told, by the engine's own clock; null = not told.</summary>
    public TimeSpan? Age { get; init; }

    /// <summary>A clock of the engine that moves with each figure (<c>/get_load</c>); null = not told.</summary>
    public double? Tick { get; init; }

    public int Requests => Running + Waiting + Sending;
}
