namespace OrleansPd.Core.Workers;

/// <summary>After how many failed probes a worker gets no new requests, and how long a restarted prefill waits.</summary>
/// <param name="RefusedToLeave">Refused probes in a row after which a worker gets no new requests.</param>
/// <param name="MissesToLeave">Unanswered probes in a row after which a worker gets no new requests.</param>
/// <param name="PrefillHold">Time a restarted prefill is held back, so that decode engines drop its former ranks.</param>
public sealed record ProbeLimits(int RefusedToLeave, int MissesToLeave, TimeSpan PrefillHold);
