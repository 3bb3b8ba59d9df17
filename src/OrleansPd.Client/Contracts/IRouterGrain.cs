using Orleans.Concurrency;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// The entry point for other .NET services. Its key is chosen by the service, so that reports reach the silo that granted the
/// lease. It admits from its silo's snapshot and credits, and calls no other grain.
/// </summary>
[Alias("pd.IRouterGrain")]
public interface IRouterGrain : IGrainWithStringKey
{
    /// <summary>
    /// Admits one attempt and chooses its pair and rooms; waits for capacity up to <see cref="PairAsk.MaxWait"/>.
    /// </summary>
    [Alias("Acquire"), AlwaysInterleave, ResponseTimeout("00:05:00")]
    Task<PairOffer> Acquire(PairAsk ask, CancellationToken cancellationToken = default);

    /// <summary>
    /// Reports ended legs and renews leases: a lease that is not renewed within <see cref="PairOffer.ValidFor"/> ends.
    /// </summary>
    [Alias("Report"), AlwaysInterleave, ResponseTimeout("00:00:05")]
    Task Report([Immutable] ImmutableArray<LegReport> ended, [Immutable] ImmutableArray<LeaseProgress> live);

    /// <summary>
    /// Runs a whole request in the silo. The answer is a head followed by any number of body parts. Consume it to its end, or
    /// cancel it: then both legs are aborted.
    /// </summary>
    [Alias("Dispatch")]
    IAsyncEnumerable<AnswerPart> Dispatch(string path, [Immutable] byte[] body, CancellationToken cancellationToken = default);
}

/// <summary>A request for a pair; see <see cref="PairRequest"/>.</summary>
[GenerateSerializer, Immutable, Alias("pd.PairAsk")]
public sealed record PairAsk
{
    [Id(0)] public string? Model { get; init; }

    [Id(1)] public int Items { get; init; } = 1;

    [Id(2)] public long PromptTokens { get; init; }

    [Id(3)] public int MaxNewTokens { get; init; } = -1;

    [Id(4)] public ulong SessionKey { get; init; }

    [Id(5)] public int Priority { get; init; }

    [Id(6)] public int Attempt { get; init; }

    [Id(7)] public WorkerId AvoidPrefill { get; init; }

    [Id(8)] public WorkerId AvoidDecode { get; init; }

    [Id(9)] public TimeSpan MaxWait { get; init; }

    [Id(10)] public string? Adapters { get; init; }
}

/// <summary>A lease, or the refusal.</summary>
[GenerateSerializer, Immutable, Alias("pd.PairOffer")]
public sealed record PairOffer
{
    /// <summary>Id of the lease at this grain.</summary>
    [Id(0)] public long Lease { get; init; }

    /// <summary>Null for a regular worker.</summary>
    [Id(1)] public WorkerSnapshot? Prefill { get; init; }

    /// <summary>Null = no lease.</summary>
    [Id(2)] public WorkerSnapshot? Decode { get; init; }

    [Id(3)] public int PrefillRank { get; init; }

    [Id(4)] public int DecodeRank { get; init; }

    [Id(5)] public ImmutableArray<long> Rooms { get; init; } = [];

    [Id(6)] public LegTarget PrefillTarget { get; init; }

    [Id(7)] public LegTarget DecodeTarget { get; init; }

    /// <summary>How long the lease is valid without renewal.</summary>
    [Id(8)] public TimeSpan ValidFor { get; init; }

    /// <summary>Reason of the refusal: the value of a <see cref="RefusalReason"/>.</summary>
    [Id(9)] public byte Refusal { get; init; }

    [Id(10)] public string? Message { get; init; }

    [Id(11)] public TimeSpan? RetryAfter { get; init; }
}

/// <summary>A leg has ended.</summary>
/// <param name="Lease">Id of its lease.</param>
/// <param name="IsPrefill">Prefill or decode leg.</param>
/// <param name="Outcome">As <see cref="LegOutcome"/>.</param>
[GenerateSerializer, Immutable, Alias("pd.LegReport")]
public readonly record struct LegReport(
    [property: Id(0)] long Lease, [property: Id(1)] bool IsPrefill, [property: Id(2)] byte Outcome);

/// <summary>Renews a lease.</summary>
/// <param name="Lease">Id of the lease.</param>
/// <param name="Rids">Request ids of its items: aborted on the engines if the service dies.</param>
[GenerateSerializer, Immutable, Alias("pd.LeaseBeat")]
public sealed record LeaseProgress([property: Id(0)] long Lease, [property: Id(1)] ImmutableArray<string> Rids);

/// <summary>A part of an answer: the head first, with <see cref="Status"/>; then bytes.</summary>
[GenerateSerializer, Immutable, Alias("pd.AnswerPart")]
public sealed record AnswerPart
{
    /// <summary>HTTP status; 0 in body parts.</summary>
    [Id(0)] public int Status { get; init; }

    [Id(1)] public string? ContentType { get; init; }

    /// <summary>Bytes of the body; whole events in an event stream.</summary>
    [Id(2)] public byte[] Body { get; init; } = [];

    /// <summary>The answer failed; no part follows.</summary>
    [Id(3)] public string? Error { get; init; }
}
