using System.Diagnostics;

namespace OrleansPd.Engines.Attempts;

/// <summary>One request as the dispatcher sends it: a client's whole request, or one sample or prompt of it.</summary>
public sealed record DispatchCall
{
    /// <summary>Path on the engine, e.g. <c>/generate</c>.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// The client's body. The creator disposes of it after the call; the dispatcher disposes of it earlier when no attempt can
    /// send it again.
    /// </summary>
    public required SharedBody Body { get; init; }

    /// <summary>The scan of the body; <see cref="RequestShape.Opaque"/> for a body that is sent unread.</summary>
    public required RequestShape Shape { get; init; }

    /// <summary>
    /// The body and the answer are relayed unchanged and unread (embeddings, rerank, score, classify). Only
    /// regular workers serve such a call.
    /// </summary>
    public bool IsOpaque => ReferenceEquals(Shape, RequestShape.Opaque);

    /// <summary>Index of the one prompt of a batch that this call carries; -1 = the whole body.</summary>
    public int Item { get; init; } = -1;

    /// <summary>Index of the sample that this call carries, where the client asked for several; else 0.</summary>
    public int Sample { get; init; }

    /// <summary>Prompts in this call: the number of its rooms, slots and request ids.</summary>
    public int Items => Item >= 0 ? 1 : Shape.Items;

    /// <summary>The whole body is one prompt and one sample: it is sent as one call.</summary>
    public bool IsSingle => Item < 0 && Shape is { Samples: 1, Items: 1 };

    /// <summary>The client asked for an event stream.</summary>
    public bool Stream => Shape.Stream;

    /// <summary>The answer needs the input log probabilities that only the prefill has.</summary>
    public bool NeedsPrefillAnswer => Shape.Dialect == Dialect.Generate && Shape.ReturnLogprob;

    /// <summary>The request ids that the client chose, one for each prompt as engines will name them; empty = none.</summary>
    public IReadOnlyList<string> ClientRids { get; init; } = [];

    /// <summary>Handle by which the client can abort the call and all its parts; null where it sent no id.</summary>
    public LiveRequest? Live { get; set; }

    /// <summary>Input of the choice of a pair; the dispatcher fills in the attempt and the workers to avoid.</summary>
    public required PairRequest Pair { get; init; }

    /// <summary>
    /// Name of the LoRA adapter that the model's name stands for, sent to engines instead of the client's; null = none.
    /// </summary>
    public string? LoraPath { get; init; }

    /// <summary>The client's Authorization header, for engines without a configured key; null = none.</summary>
    public string? Authorization { get; init; }

    /// <summary>Headers for both legs (trace context, request id).</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Headers { get; init; }

    /// <summary>
    /// The span of the request, parent of the legs' spans; default = not traced, and <see cref="Headers"/> hold the client's
    /// trace context.
    /// </summary>
    public ActivityContext Trace { get; init; }

    /// <summary>Called once with the first lease: other calls may then be placed near it.</summary>
    public Action<PairLease>? Leased { get; init; }
}
