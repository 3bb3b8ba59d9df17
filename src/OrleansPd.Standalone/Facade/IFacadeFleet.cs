namespace OrleansPd.Standalone.Facade;

/// <summary>The part of the control plane that the facades use. Called from any thread.</summary>
internal interface IFacadeFleet
{
    FleetSnapshot Fleet { get; }

    RankRegistration RegisterRank(long room, int rank, WorkerSnapshot prefill);

    /// <summary>Looks up the ranks of rooms; -1 = unknown.</summary>
    ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken);

    /// <summary>The prefill worker's bootstrap server is now available to decode engines at this address.</summary>
    void Opened(WorkerId prefill, WorkerInput.FacadeOpened address);
}
