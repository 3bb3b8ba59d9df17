namespace OrleansPd.Core.Workers;

/// <summary>One worker in a <see cref="FleetSnapshot"/>; immutable and shared by all readers.</summary>
public sealed record WorkerSnapshot
{
    public required WorkerId Id { get; init; }

    /// <summary>Base address of the engine's API, canonical (no trailing slash, no path).</summary>
    public required Uri Url { get; init; }

    public required WorkerRole Role { get; init; }
    public required WorkerPhase Phase { get; init; }

    /// <summary>Epoch of the engine process at this address, from 1; grows with each detected restart.</summary>
    public required long Epoch { get; init; }

    /// <summary>Dense index, stable while the worker is registered; load tables are indexed by it.</summary>
    public required int Slot { get; init; }

    public required WorkerFacts Facts { get; init; }

    /// <summary>Model name that clients send; null while unknown.</summary>
    public string? Model { get; init; }

    /// <summary>Host under which decode engines reach this prefill's bootstrap server; IPv6 in brackets. Prefill only.</summary>
    public string? BootstrapHost { get; init; }

    /// <summary>Port of that server; null = not reported, then engines use their own flag.</summary>
    public int? BootstrapPort { get; init; }

    /// <summary>
    /// Host that decode engines get instead of <see cref="BootstrapHost"/>: our bootstrap facade for this epoch of the prefill
    /// worker; null = none.
    /// </summary>
    public string? FacadeHost { get; init; }

    public int? FacadePort { get; init; }

    /// <summary>Key of the transfer group: workers of equal keys can exchange KV.</summary>
    public string TransferGroup { get; init; } = "";

    /// <summary>Among workers that the policy ranks equal the higher one is used; default 50 as in the SGLang gateway.</summary>
    public int Priority { get; init; } = 50;

    public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Sent to the engine as a bearer token; never in logs or answers.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Why the worker is not ready, for people; null when it is.</summary>
    public string? Reason { get; init; }

    public int DpSize => Facts.DpSize;
    public bool IsPairable => Phase is WorkerPhase.Ready or WorkerPhase.Suspect;

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Role} {Id} {Phase} epoch {Epoch}";
}
