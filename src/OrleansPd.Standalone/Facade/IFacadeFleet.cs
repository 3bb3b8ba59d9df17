using OrleansPd.Core.Rooms;
using OrleansPd.Core.Workers;

namespace OrleansPd.Standalone.Facade;

/// <summary>What the facades need from the control plane behind them. Called from any thread.</summary>
internal interface IFacadeFleet
{
    FleetSnapshot Fleet { get; }

    /// <summary>Stores the rank of a room for a prefill worker.</summary>
    RankRegistration RegisterRank(long room, int rank, WorkerSnapshot prefill);

    /// <summary>Looks up the ranks of rooms; -1 = unknown.</summary>
    ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken);

    /// <summary>From now on decode engines are given this address of the prefill worker's bootstrap server.</summary>
    void Opened(WorkerId prefill, WorkerInput.FacadeOpened address);
}
