namespace OrleansPd.Core.Rooms;

/// <summary>The owner of a room.</summary>
/// <param name="Prefill">The prefill that owns it, at the epoch of the registration; null when the registration did not name
/// it.</param>
/// <param name="Rank">Its rank; -1 while the engine has not reported which one it chose.</param>
/// <param name="Decode">The worker that waits for the KV; null for a room without a lease.</param>
public readonly record struct RoomOwner(WorkerSnapshot? Prefill, int Rank, WorkerSnapshot? Decode);
