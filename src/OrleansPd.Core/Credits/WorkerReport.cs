namespace OrleansPd.Core.Credits;

/// <summary>A report of a worker's grain. The newest replaces all others; a new activation continues from it.</summary>
public sealed record WorkerReport
{
    public required WorkerSpec Spec { get; init; }

    /// <summary>Distinguishes registrations of one address; later ones are higher.</summary>
    public required long Registration { get; init; }

    /// <summary>Number of the grain's activation; later ones are higher.</summary>
    public required long Writer { get; init; }

    /// <summary>Grows with each report of one activation.</summary>
    public required long Version { get; init; }

    /// <summary>The worker. Slot and transfer group are not set: each gateway computes its own.</summary>
    public required WorkerSnapshot Snapshot { get; init; }

    /// <summary>When its current stage began.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The role to switch to when it has drained; null = none.</summary>
    public WorkerRole? SwitchTo { get; init; }

    public WorkerId Id => Snapshot.Id;

    /// <summary>Two activations of one worker may exist for a moment; the later one is right.</summary>
    public bool IsNewerThan(WorkerReport other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return (Registration, Writer, Version).CompareTo((other.Registration, other.Writer, other.Version)) > 0;
    }

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Snapshot} writer {Writer} version {Version}";
}
