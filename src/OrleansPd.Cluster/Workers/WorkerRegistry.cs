using System.Collections.Concurrent;
using OrleansPd.Core.Fleet;

namespace OrleansPd.Cluster.Workers;

/// <summary>The workers whose writer is in this process: told when a gateway dies.</summary>
internal sealed class WorkerRegistry
{
    private readonly ConcurrentDictionary<WorkerId, WorkerHost> _hosts = new();

    public void Add(WorkerHost host) => _hosts[host.Id] = host;

    public void Remove(WorkerHost host) => _hosts.TryRemove(new(host.Id, host));

    public void GatewayDied(string gateway)
    {
        foreach (var host in _hosts.Values)
        {
            host.GatewayDied(gateway);
        }
    }
}
