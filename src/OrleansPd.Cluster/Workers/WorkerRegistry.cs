using OrleansPd.Cluster.Membership;
using OrleansPd.Cluster.Placement;

namespace OrleansPd.Cluster.Workers;

/// <summary>The workers whose grain is in this process, and those whose grain a pool in this process is about to call.</summary>
internal sealed class WorkerRegistry : IKnownWorkers, IGatewayDeaths
{
    private readonly ConcurrentDictionary<WorkerId, WorkerHost> _hosts = new();
    private readonly ConcurrentDictionary<WorkerId, WorkerMember> _expected = new();

    /// <summary>Workers whose grain is in this process.</summary>
    public IEnumerable<WorkerId> Here => _hosts.Keys;

    /// <summary>A pool in this process is about to call the grain of a worker that others may not know yet.</summary>
    public void Expect(WorkerMember member) => _expected[member.Id] = member;

    /// <summary>The grain has answered: others know the worker from now on.</summary>
    public void Arrived(WorkerMember member) => _expected.TryRemove(member.Id, out _);

    public WorkerSpec? SpecOf(WorkerId id) => _expected.GetValueOrDefault(id)?.Spec;

    public void Add(WorkerHost host) => _hosts[host.Id] = host;

    public void Remove(WorkerHost host) => _hosts.TryRemove(new(host.Id, host));

    public void GatewayDied(string gateway)
    {
        foreach (var host in _hosts.Values)
            host.GatewayDied(gateway);
    }
}
