using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Admission;

/// <summary>Either an outcome now, or a place in the queue.</summary>
/// <param name="Grant">The outcome; null when the request waits.</param>
/// <param name="Waiting">The place in the queue; null when there is an outcome.</param>
public readonly record struct AcquireAnswer(PairGrant? Grant, WaitingRequest? Waiting);
