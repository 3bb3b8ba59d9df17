using System.Collections.Immutable;
using Orleans.Concurrency;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

/// <summary>
/// The door for other .NET services. Its key is the service's own, so that a lease is given back where it was taken; it admits
/// from what its silo's gateway knows and holds, and calls no other grain on the way.
/// </summary>
[Alias("pd.IRouterGrain")]
public interface IRouterGrain : IGrainWithStringKey
{
    /// <summary>Admits one attempt and chooses its pair and rooms; waits for capacity as long as the caller wants to.</summary>
    [Alias("Acquire"), AlwaysInterleave, ResponseTimeout("00:05:00")]
    Task<PairOffer> Acquire(PairAsk ask, CancellationToken cancellationToken = default);

    /// <summary>
    /// Says what became of legs, and which leases live on: one that is not named for <see cref="PairOffer.ValidFor"/> is ended.
    /// </summary>
    [Alias("Report"), AlwaysInterleave, ResponseTimeout("00:00:05")]
    Task Report([Immutable] ImmutableArray<LegReport> ended, [Immutable] ImmutableArray<LeaseProgress> live);

    /// <summary>
    /// Runs a whole request in the silo. The answer comes in parts: a head, then as many bodies as there are. Consume it to its
    /// end, or cancel: then both legs are aborted.
    /// </summary>
    [Alias("Dispatch")]
    IAsyncEnumerable<AnswerPart> Dispatch(string path, [Immutable] byte[] body, CancellationToken cancellationToken = default);
}

/// <summary>What a pair is asked for; see <see cref="PairRequest"/>.</summary>
[GenerateSerializer, Immutable, Alias("pd.PairAsk")]
public sealed record PairAsk
{
    [Id(0)]
    public string? Model { get; init; }

    [Id(1)]
    public int Items { get; init; } = 1;

    [Id(2)]
    public long PromptTokens { get; init; }

    [Id(3)]
    public int MaxNewTokens { get; init; } = -1;

    [Id(4)]
    public ulong SessionKey { get; init; }

    [Id(5)]
    public int Priority { get; init; }

    [Id(6)]
    public int Attempt { get; init; }

    [Id(7)]
    public WorkerId AvoidPrefill { get; init; }

    [Id(8)]
    public WorkerId AvoidDecode { get; init; }

    [Id(9)]
    public TimeSpan MaxWait { get; init; }

    [Id(10)]
    public string? Adapters { get; init; }
}

/// <summary>A lease, or why there is none.</summary>
[GenerateSerializer, Immutable, Alias("pd.PairOffer")]
public sealed record PairOffer
{
    /// <summary>Names the lease at this door.</summary>
    [Id(0)]
    public long Lease { get; init; }

    /// <summary>Null for a request to a regular worker.</summary>
    [Id(1)]
    public WorkerSnapshot? Prefill { get; init; }

    /// <summary>Null: there is no lease.</summary>
    [Id(2)]
    public WorkerSnapshot? Decode { get; init; }

    [Id(3)]
    public int PrefillRank { get; init; }

    [Id(4)]
    public int DecodeRank { get; init; }

    [Id(5)]
    public ImmutableArray<long> Rooms { get; init; } = [];

    [Id(6)]
    public LegTarget PrefillTarget { get; init; }

    [Id(7)]
    public LegTarget DecodeTarget { get; init; }

    /// <summary>How long the lease lives without being named.</summary>
    [Id(8)]
    public TimeSpan ValidFor { get; init; }

    /// <summary>Why there is no lease, as <see cref="RefusalReason"/>.</summary>
    [Id(9)]
    public byte Refusal { get; init; }

    [Id(10)]
    public string? Message { get; init; }

    [Id(11)]
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>A leg has ended.</summary>
/// <param name="Lease">Of this lease.</param>
/// <param name="IsPrefill">Which of its legs.</param>
/// <param name="Outcome">As <see cref="LegOutcome"/>.</param>
[GenerateSerializer, Immutable, Alias("pd.LegReport")]
public readonly record struct LegReport(
    [property: Id(0)] long Lease, [property: Id(1)] bool IsPrefill, [property: Id(2)] byte Outcome);

/// <summary>A lease lives on.</summary>
/// <param name="Lease">This lease.</param>
/// <param name="Rids">Ids under which the engines know its items: aborted there should the service die.</param>
[GenerateSerializer, Immutable, Alias("pd.LeaseBeat")]
public sealed record LeaseProgress([property: Id(0)] long Lease, [property: Id(1)] ImmutableArray<string> Rids);

/// <summary>A part of an answer: the head first, with <see cref="Status"/>; then bytes.</summary>
[GenerateSerializer, Immutable, Alias("pd.AnswerPart")]
public sealed record AnswerPart
{
    /// <summary>HTTP status; 0 in parts that are no head.</summary>
    [Id(0)]
    public int Status { get; init; }

    [Id(1)]
    public string? ContentType { get; init; }

    /// <summary>Bytes of the body; whole events of an event stream.</summary>
    [Id(2)]
    public byte[] Body { get; init; } = [];

    /// <summary>The answer broke off; nothing follows.</summary>
    [Id(3)]
    public string? Error { get; init; }
}
