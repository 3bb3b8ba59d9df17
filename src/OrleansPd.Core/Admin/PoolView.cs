namespace OrleansPd.Core.Admin;

/// <summary>A pool as the management API returns it.</summary>
/// <param name="TargetSize">Target size; null = not set.</param>
/// <param name="Present">Registered workers that are not draining, in any state.</param>
/// <param name="Ready">Those of them that can serve.</param>
/// <param name="Draining">Draining workers.</param>
public sealed record PoolView(PoolName Name, int? TargetSize, int Present, int Ready, int Draining)
{
    /// <summary>Engines to start.</summary>
    public int Missing => Math.Max(0, (TargetSize ?? 0) - Present);

    /// <summary>Engines that can be stopped.</summary>
    public int Surplus => TargetSize is { } targetSize ? Math.Max(0, Present - targetSize) : 0;

    /// <summary>It has neither workers nor a target size: not listed.</summary>
    public bool IsBlank => TargetSize is null && Present + Draining == 0;

    public static PoolView Of(PoolName name, int? targetSize, IEnumerable<WorkerSnapshot> members)
    {
        var left = members.Where(m => m.Phase != WorkerPhase.Gone).ToLookup(m => m.Phase == WorkerPhase.Draining);
        return new(name, targetSize, left[false].Count(), left[false].Count(m => m.IsPairable), left[true].Count());
    }
}
