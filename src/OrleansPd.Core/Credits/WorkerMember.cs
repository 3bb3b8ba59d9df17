using System.Collections.Immutable;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Credits;

/// <summary>A worker as its pool knows it.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Spec">What the operator said of it.</param>
/// <param name="Registration">Unique for each time a worker is added to the cluster; later ones are higher.</param>
public sealed record WorkerMember(WorkerId Id, WorkerSpec Spec, long Registration)
{
    /// <summary>What is told of it before its writer has told anything.</summary>
    public WorkerReport FirstReport(DateTimeOffset now) => new()
    {
        Spec = Spec,
        Registration = Registration,
        Writer = 0,
        Version = 0,
        Since = now,
        Shown = new WorkerSnapshot
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
            Reason = "nobody has looked after it yet",
        },
    };

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Spec} #{Registration}";
}
