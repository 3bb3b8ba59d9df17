using System.Net;
using OrleansPd.Server.Settings;

namespace OrleansPd.Server.Hosting;

/// <summary>What holds a cluster together: membership, stored state, reminders, rooms.</summary>
internal interface IBackend
{
    /// <summary>The address under which other silos reach this one.</summary>
    IPAddress Address { get; }

    /// <summary>Puts the providers into a silo.</summary>
    void AddTo(ISiloBuilder silo, NodeOptions node);

    /// <summary>Checks that this silo may join, and says so to those that come later.</summary>
    /// <exception cref="Tools.Output.CommandFailedException">It may not; the message says why and what to do.</exception>
    Task JoinAsync(IPEndPoint silo, CancellationToken cancellationToken);
}
