namespace OrleansPd.Core.Workers;

/// <summary>Where a worker is in its life. Only <see cref="Ready"/> and <see cref="Suspect"/> workers are paired.</summary>
public enum WorkerPhase
{
    /// <summary>Named by an operator; nothing has answered at its address yet.</summary>
    Registered,

    /// <summary>Answers; its facts are being read and a first generation is tried through a pair.</summary>
    Probing,

    /// <summary>A real generation went through it.</summary>
    Ready,

    /// <summary>Something is off (a failed probe, requests older than they should be) but it may still serve.</summary>
    Suspect,

    /// <summary>Its breaker is open: it gets one trial at a time until it works again.</summary>
    Broken,

    /// <summary>Takes no new requests; what is in flight ends by itself.</summary>
    Draining,

    /// <summary>Removed: gets nothing any more. Whether the engine may be killed is <see cref="KillSafety"/>.</summary>
    Gone,
}
