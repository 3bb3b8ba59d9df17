namespace OrleansPd.Core.Admission;

/// <summary>A lease with the load it adds. Each leg gives its share back when it ends.</summary>
internal sealed class HeldLease : PairLease
{
    public required int Items { get; init; }
    public required long PrefillTokens { get; init; }
    public required long DecodeTokens { get; init; }

    /// <summary>When it was granted, as a timestamp.</summary>
    public required long Started { get; init; }

    /// <summary>The leg is the half-open request of a worker whose breaker is open.</summary>
    public bool PrefillHalfOpen { get; init; }

    public bool DecodeHalfOpen { get; init; }
    public bool PrefillEnded { get; set; }
    public bool DecodeEnded { get; set; }
    public bool Ended => PrefillEnded && DecodeEnded;
    public HeldLease? Next { get; set; }
    public HeldLease? Previous { get; set; }
}
