namespace OrleansPd.Core.Credits;

/// <summary>A worker as a member of its pool.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Spec">As its operator configured it.</param>
/// <param name="Registration">Unique for each registration of a worker in the cluster; later ones are higher.</param>
public sealed record WorkerMember(WorkerId Id, WorkerSpec Spec, long Registration)
{
    /// <summary>The report that is used until its grain sends the first one.</summary>
    public WorkerReport FirstReport(DateTimeOffset now) => new()
    {
        Spec = Spec,
        Registration = Registration,
        Writer = 0,
        Version = 0,
        Since = now,
        Snapshot = new WorkerSnapshot
        {
            Id = Id,
            Url = WorkerAddress.Canonical(Spec.Url),
            Role = Spec.Role,
            Phase = WorkerPhase.Registered,
            Epoch = 1,
            Slot = 0,
            Facts = WorkerFacts.Unknown,
            Model = Spec.Model,
            ApiKey = Spec.ApiKey,
            Priority = Spec.Priority,
            Labels = Spec.Labels ?? ImmutableDictionary<string, string>.Empty,
            Reason = "its worker grain has not started yet",
        },
    };

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Spec} #{Registration}";
}
