using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>A generation of our own that shows whether a worker serves. It ends by being reported, whatever happens.</summary>
/// <param name="Prefill">Null for a regular worker.</param>
/// <param name="Decode">The decode worker, or the regular one.</param>
/// <param name="Room">Its room; 0 for a regular worker.</param>
/// <param name="PrefillTarget">What the prefill engine is told.</param>
/// <param name="DecodeTarget">What the decode engine is told.</param>
public sealed record ReadinessCheck(
    WorkerSnapshot? Prefill, WorkerSnapshot Decode, long Room, LegTarget PrefillTarget, LegTarget DecodeTarget);
