using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Credits;

/// <summary>What a worker's writer tells of it. The newest one replaces all others; a new writer goes on from it.</summary>
public sealed record WorkerReport
{
    public required WorkerSpec Spec { get; init; }

    /// <summary>Tells one registration of an address from a later one.</summary>
    public required long Registration { get; init; }

    /// <summary>The life of the writer; a later one is higher.</summary>
    public required long Writer { get; init; }

    /// <summary>Grows with each report of one writer.</summary>
    public required long Version { get; init; }

    /// <summary>The worker. Slot and transfer group are not set: each reader has its own.</summary>
    public required WorkerSnapshot Shown { get; init; }

    /// <summary>When its present stage began.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The role it is to have when it has drained; null = none.</summary>
    public WorkerRole? SwitchTo { get; init; }

    public WorkerId Id => Shown.Id;

    /// <summary>Two writers of one worker may exist for a moment; the later one is right.</summary>
    public bool IsNewerThan(WorkerReport other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return (Registration, Writer, Version).CompareTo((other.Registration, other.Writer, other.Version)) > 0;
    }

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Shown} writer {Writer} version {Version}";
}
