namespace OrleansPd.Client.Contracts;

/// <summary>Keys of pool and worker grains.</summary>
public static class PoolKey
{
    public static string Of(WorkerSpec spec) => PoolName.Of(spec).ToString();

    public static IWorkerGrain WorkerGrain(this IGrainFactory grains, WorkerRole role, WorkerId id)
    {
        ArgumentNullException.ThrowIfNull(grains);
        return role == WorkerRole.Prefill ? grains.GetGrain<IPrefillWorkerGrain>(id.Value)
            : grains.GetGrain<IDecodeWorkerGrain>(id.Value);
    }
}
