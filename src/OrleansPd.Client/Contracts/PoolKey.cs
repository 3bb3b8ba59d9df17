using OrleansPd.Core;
using OrleansPd.Core.Fleet;

namespace OrleansPd.Client.Contracts;

/// <summary>Names of pools.</summary>
public static class PoolKey
{
    /// <summary>The model of workers whose operator named none.</summary>
    public const string AnyModel = "-";

    public static string Of(WorkerRole role, string? model) => $"{role.ToString().ToLowerInvariant()}/{model ?? AnyModel}";

    /// <summary>The pool of a worker.</summary>
    public static string Of(WorkerSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return Of(spec.Role, spec.Model);
    }

    /// <summary>The writer of a worker.</summary>
    public static IWorkerGrain WorkerGrain(this IGrainFactory grains, WorkerRole role, WorkerId id)
    {
        ArgumentNullException.ThrowIfNull(grains);
        return role == WorkerRole.Prefill ? grains.GetGrain<IPrefillWorkerGrain>(id.Value) : grains.GetGrain<IDecodeWorkerGrain>(id.Value);
    }
}
