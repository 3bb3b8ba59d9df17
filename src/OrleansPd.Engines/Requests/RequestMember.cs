namespace OrleansPd.Engines.Requests;

/// <summary>The top-level members that the scanner records. All others are relayed unread.</summary>
public enum RequestMember : byte
{
    /// <summary>Not a member of interest.</summary>
    None,
    Model,
    Stream,
    StreamOptions,
    N,
    Rid,
    Seed,
    Priority,

    Text,
    InputIds,
    InputEmbeds,
    Prompt,
    Messages,

    SamplingParams,
    MaxTokens,
    MaxCompletionTokens,

    Logprobs,
    TopLogprobs,
    ReturnLogprob,
    LogprobStartLen,
    TopLogprobsNum,
    TokenIdsLogprob,

    SessionId,
    SessionParams,
    User,
    ConversationId,
    RoutingKey,
    PromptCacheKey,

    BootstrapHost,
    BootstrapPort,
    BootstrapRoom,
    BootstrapPairKey,
    DecodeTpSize,
    RoutedDpRank,
    DisaggPrefillDpRank,
    DataParallelRank,

    LoraPath,
    ImageData,
    VideoData,
    AudioData,
    CustomLogitProcessor,
    ReturnHiddenStates,
    ExtraKey,
    CacheSalt,
}

/// <summary>Position of one top-level member in the body.</summary>
/// <param name="Name">Which member.</param>
/// <param name="Key">The raw key between its quotes, escapes included.</param>
/// <param name="Value">The raw value.</param>
/// <param name="Member">From the key's opening quote to the end of the value.</param>
public readonly record struct MemberPosition(RequestMember Name, Slice Key, Slice Value, Slice Member);
