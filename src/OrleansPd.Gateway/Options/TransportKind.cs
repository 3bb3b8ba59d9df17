namespace OrleansPd.Gateway.Options;

/// <summary>What carries bytes between clients, this gateway and its engines.</summary>
public enum TransportKind
{
    /// <summary>Threads of this gateway wait for sockets, one for each core, and go on with whatever waits for them.</summary>
    Loop,

    /// <summary>Kestrel's transport and the sockets of .NET, the reference.</summary>
    Sockets,
}
