namespace OrleansPd.Server.Hosting;

/// <summary>The shared parts of a cluster: membership, stored state, reminders, rooms.</summary>
internal interface IBackend
{
    IPAddress Address { get; }

    void AddTo(ISiloBuilder silo, NodeOptions node);

    /// <summary>Checks that this silo may join, and registers it for the checks of later ones.</summary>
    /// <exception cref="Tools.Output.CommandFailedException">It may not join; the message says why and what to do.</exception>
    Task JoinAsync(IPEndPoint silo, CancellationToken cancellationToken);
}
