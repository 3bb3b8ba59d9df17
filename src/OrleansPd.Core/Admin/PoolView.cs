using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>A pool as its operator sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Wanted">How many workers it should have; null = nobody said.</param>
/// <param name="Present">Workers that are registered and not leaving, whatever their state.</param>
/// <param name="Ready">Of these, those that can be given requests now.</param>
/// <param name="Draining">Workers that are leaving.</param>
public sealed record PoolView(PoolName Name, int? Wanted, int Present, int Ready, int Draining)
{
    /// <summary>Engines that should be started.</summary>
    public int Missing => Math.Max(0, (Wanted ?? 0) - Present);

    /// <summary>Engines that could be stopped.</summary>
    public int Surplus => Wanted is { } wanted ? Math.Max(0, Present - wanted) : 0;

    /// <summary>Nobody is in it and nobody wants anybody: not worth telling.</summary>
    public bool IsBlank => Wanted is null && Present + Draining == 0;

    public static PoolView Of(PoolName name, int? wanted, IEnumerable<WorkerSnapshot> members)
    {
        var left = members.Where(m => m.Phase != WorkerPhase.Gone).ToLookup(m => m.Phase == WorkerPhase.Draining);
        return new(name, wanted, left[false].Count(), left[false].Count(m => m.IsPairable), left[true].Count());
    }
}
