namespace OrleansPd.Core.Admission;

/// <summary>Either an outcome, or a request that waits.</summary>
/// <param name="Grant">The outcome; null when the request waits.</param>
/// <param name="Waiting">The request that waits; null when there is an outcome.</param>
public readonly record struct AcquireAnswer(PairGrant? Grant, WaitingRequest? Waiting);
