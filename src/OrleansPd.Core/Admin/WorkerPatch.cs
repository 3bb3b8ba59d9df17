using System.Collections.Immutable;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>What is to change; null = stays.</summary>
public sealed record WorkerPatch
{
    public int? Priority { get; init; }

    public double? Cost { get; init; }

    /// <summary>All labels; those that are not named are gone.</summary>
    public ImmutableDictionary<string, string>? Labels { get; init; }

    /// <summary>The key for the engine; empty = none any more.</summary>
    public string? ApiKey { get; init; }

    public WorkerSpec ApplyTo(WorkerSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec with
        {
            Priority = Priority ?? spec.Priority,
            Cost = Cost ?? spec.Cost,
            Labels = Labels ?? spec.Labels,
            ApiKey = ApiKey is null ? spec.ApiKey : ApiKey.Length == 0 ? null : ApiKey,
        };
    }

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => nameof(WorkerPatch);
}
