using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Requests;

/// <summary>What each leg is told, by recipe. A rank member is never sent to or about a worker that has one rank.</summary>
internal static class LegTargets
{
    public static LegTarget Prefill(DpRankMode recipe, WorkerSnapshot? prefill, int rank) => prefill is null
        ? default
        : recipe == DpRankMode.Explicit && prefill.DpSize > 1
            ? new(prefill.BootstrapHost, prefill.BootstrapPort, rank, rank)
            : new(prefill.BootstrapHost, prefill.BootstrapPort, null, null);

    public static LegTarget Decode(DpRankMode recipe, WorkerSnapshot? prefill, int prefillRank, WorkerSnapshot decode, int rank)
    {
        int? own = recipe != DpRankMode.Engine && decode.DpSize > 1 ? rank : null;
        int? partner = recipe == DpRankMode.Explicit && prefill?.DpSize > 1 ? prefillRank : null;
        return new(prefill?.FacadeHost ?? prefill?.BootstrapHost, prefill?.FacadePort ?? prefill?.BootstrapPort, own, partner);
    }
}
