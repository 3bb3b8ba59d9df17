namespace OrleansPd.Core.Workers;

/// <summary>State of a worker. Only <see cref="Ready"/> and <see cref="Suspect"/> workers are paired.</summary>
public enum WorkerPhase
{
    /// <summary>Added by an operator; its address does not answer yet, or no longer.</summary>
    Registered,

    /// <summary>Answers; its facts are read and a readiness check runs through a pair.</summary>
    Probing,

    /// <summary>Its readiness check succeeded.</summary>
    Ready,

    /// <summary>A probe failed or its requests make no progress; it still serves where no Ready worker can.</summary>
    Suspect,

    /// <summary>Its breaker is open: one half-open request at a time until enough of them succeed.</summary>
    Broken,

    /// <summary>Takes no new requests; those in flight run to their end.</summary>
    Draining,

    /// <summary>Removed: gets no requests. Whether its engine can be killed is <see cref="KillSafety"/>.</summary>
    Gone,
}
