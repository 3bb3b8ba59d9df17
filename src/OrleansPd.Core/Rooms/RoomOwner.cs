using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Rooms;

/// <summary>Who has a room.</summary>
/// <param name="Prefill">The life of the prefill that has it; null when a registration did not say.</param>
/// <param name="Rank">Its rank; -1 while the engine has not told which it chose.</param>
/// <param name="Decode">Who waits for its KV; null for a room without a lease.</param>
public readonly record struct RoomOwner(WorkerSnapshot? Prefill, int Rank, WorkerSnapshot? Decode);
