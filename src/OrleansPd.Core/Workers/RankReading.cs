namespace OrleansPd.Core.Workers;

/// <summary>What an engine reports about one of its ranks.</summary>
/// <param name="Rank">Data-parallel rank, from 0.</param>
/// <param name="Running">Running requests.</param>
/// <param name="Waiting">Waiting requests, including the bootstrap, preallocation and transfer queues.</param>
public readonly record struct RankReading(int Rank, int Running, int Waiting)
{
    /// <summary>Prefill: requests whose KV is being sent; not counted in the others.</summary>
    public int Sending { get; init; }

    /// <summary>Tokens of all requests, waiting ones included.</summary>
    public long Tokens { get; init; }

    /// <summary>Maximum of running requests; null = not reported.</summary>
    public int? MaxRunning { get; init; }

    /// <summary>KV cache tokens; null = not reported.</summary>
    public long? MaxTokens { get; init; }

    /// <summary>Age of the figures when they were sent, by the engine's clock; null = not reported.</summary>
    public TimeSpan? Age { get; init; }

    /// <summary>A counter of the engine that changes with each update (<c>/get_load</c>); null = not reported.</summary>
    public double? Tick { get; init; }

    public int Requests => Running + Waiting + Sending;
}
