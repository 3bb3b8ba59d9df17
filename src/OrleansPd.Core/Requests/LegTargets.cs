namespace OrleansPd.Core.Requests;

/// <summary>The members of each leg, by rank mode. No rank member is sent for a worker with one rank.</summary>
internal static class LegTargets
{
    public static LegTarget Prefill(DpRankMode ranks, WorkerSnapshot? prefill, int rank) => prefill is null
        ? default
        : ranks == DpRankMode.Explicit && prefill.DpSize > 1
            ? new(prefill.BootstrapHost, prefill.BootstrapPort, rank, rank)
            : new(prefill.BootstrapHost, prefill.BootstrapPort, null, null);

    public static LegTarget Decode(DpRankMode ranks, WorkerSnapshot? prefill, int prefillRank, WorkerSnapshot decode, int rank)
    {
        int? own = ranks != DpRankMode.Engine && decode.DpSize > 1 ? rank : null;
        int? partner = ranks == DpRankMode.Explicit && prefill?.DpSize > 1 ? prefillRank : null;
        return new(prefill?.FacadeHost ?? prefill?.BootstrapHost, prefill?.FacadePort ?? prefill?.BootstrapPort, own, partner);
    }
}
