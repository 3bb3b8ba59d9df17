namespace OrleansPd.Core.Admin;

/// <summary>Changes of a worker; null = unchanged.</summary>
public sealed record WorkerPatch
{
    public int? Priority { get; init; }
    public double? Cost { get; init; }

    /// <summary>The complete new set of labels.</summary>
    public ImmutableDictionary<string, string>? Labels { get; init; }

    /// <summary>The key for the engine; empty = remove it.</summary>
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
