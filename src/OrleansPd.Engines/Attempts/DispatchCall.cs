using System.Diagnostics;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Attempts;

/// <summary>One request as it goes to one pair: a client's whole request, or one sample of it.</summary>
public sealed record DispatchCall
{
    /// <summary>Path on the engine, e.g. <c>/generate</c>.</summary>
    public required string Path { get; init; }

    /// <summary>The client's body. Held by each attempt for as long as an engine may still be sent it.</summary>
    public required SharedBody Body { get; init; }

    /// <summary>
    /// Nobody but this call reads the body any more: its owner's hold may end with the first output. Default false.
    /// </summary>
    public bool MayReleaseBody { get; init; }

    public required RequestShape Shape { get; init; }

    /// <summary>Index of the one prompt of a batch that this call carries; -1 = the whole body as it is.</summary>
    public int Item { get; init; } = -1;

    /// <summary>Index of the sample that this call carries, where the client asked for several; 0 else.</summary>
    public int Sample { get; init; }

    /// <summary>Prompts in this call: rooms, slots and request ids it takes.</summary>
    public int Items => Item >= 0 ? 1 : Shape.Items;

    /// <summary>The answer is asked for as an event stream.</summary>
    public bool Stream => Shape.Stream;

    /// <summary>The answer is whole only with the input log probabilities that the prefill alone has (protocol §2.5).</summary>
    public bool NeedsPrefillAnswer => Shape.Dialect == Dialect.Generate && Shape.ReturnLogprob;

    /// <summary>
    /// The request ids that the client brought, one for each prompt as the engine will name them; empty = none.
    /// </summary>
    public IReadOnlyList<string> ClientRids { get; init; } = [];

    /// <summary>By what the client can abort the call, wherever its parts are; null where it brought no id.</summary>
    public LiveRequest? Live { get; set; }

    /// <summary>What the pair is chosen by; attempt and avoided workers are filled in by the dispatcher.</summary>
    public required PairRequest Pair { get; init; }

    /// <summary>
    /// Name of the LoRA adapter that the model's name stands for, told to the engines in place of the client's; null = none.
    /// </summary>
    public string? LoraPath { get; init; }

    /// <summary>The client's Authorization header, for engines that have no key of their own configured; null = none.</summary>
    public string? Authorization { get; init; }

    /// <summary>Headers for both legs (trace context, request id).</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Headers { get; init; }

    /// <summary>
    /// The span of the request, under which its legs have theirs; default = not traced, and the client's own context is in
    /// <see cref="Headers"/>.
    /// </summary>
    public ActivityContext Trace { get; init; }

    /// <summary>Told once, when the first lease is there: others may then be placed near it.</summary>
    public Action<PairLease>? Leased { get; init; }
}
