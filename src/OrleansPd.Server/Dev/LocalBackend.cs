using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Server.Hosting;

namespace OrleansPd.Server.Dev;

/// <summary>A cluster of silos in one process, in memory: for trying things out without Redis.</summary>
internal sealed class LocalBackend : IBackend
{
    private readonly MemoryRoomLog _rooms = new();
    private IPEndPoint? _primary;

    public IPAddress Address => IPAddress.Loopback;

    public void AddTo(ISiloBuilder silo, NodeOptions node)
    {
        _primary ??= new IPEndPoint(Address, node.SiloPort);
        silo.UseDevelopmentClustering(_primary);
        silo.AddOrleansPdMemoryStorage();
        silo.UseInMemoryReminderService();
        silo.Services.AddSingleton<IRoomLog>(_rooms);
    }

    public Task JoinAsync(IPEndPoint silo, CancellationToken cancellationToken) => Task.CompletedTask;
}
