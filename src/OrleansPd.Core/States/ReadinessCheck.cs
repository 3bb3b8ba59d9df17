namespace OrleansPd.Core.States;

/// <summary>A generation of our own that tests whether a worker serves. Its outcome must be reported in any case.</summary>
/// <param name="Prefill">Null for a regular worker.</param>
/// <param name="Decode">The decode worker, or the regular one.</param>
/// <param name="Room">Its room; 0 for a regular worker.</param>
/// <param name="PrefillTarget">Members of the prefill leg.</param>
/// <param name="DecodeTarget">Members of the decode leg.</param>
public sealed record ReadinessCheck(
    WorkerSnapshot? Prefill, WorkerSnapshot Decode, long Room, LegTarget PrefillTarget, LegTarget DecodeTarget);
