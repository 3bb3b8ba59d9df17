namespace OrleansPd.Core.Requests;

/// <summary>Why a request went to a pair or to a regular worker.</summary>
public enum RouteReason
{
    /// <summary>To a pair: the normal case.</summary>
    Pair,

    /// <summary>To a pair, because no regular worker had room for a prompt short enough for one.</summary>
    RegularBusy,

    /// <summary>To a regular worker: the model has no prefill or decode workers, or the request cannot run on a pair.</summary>
    OnlyRegular,

    /// <summary>
    /// To a regular worker: fewer tokens had to be computed than <see cref="ControlPlaneOptions.PdMinUncachedTokens"/>.
    /// </summary>
    ShortPrompt,

    /// <summary>To a regular worker: no pair was usable, and <see cref="ControlPlaneOptions.PdFallback"/> is on.</summary>
    Fallback,
}
