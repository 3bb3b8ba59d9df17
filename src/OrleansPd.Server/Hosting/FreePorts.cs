using System.Net.Sockets;
using System.Security.Cryptography;

namespace OrleansPd.Server.Hosting;

/// <summary>Finds and checks ports of a silo before it joins, because the whole cluster sees a failure after that.</summary>
internal static class FreePorts
{
    // Below the ports of outgoing connections, so that none of those takes the port before the silo listens.
    private const int First = 15_000;
    private const int Last = 32_000;
    private const int Tries = 100;

    /// <summary>A port that no process listens on; another process may take it at any time.</summary>
    /// <exception cref="CommandFailedException">None was found.</exception>
    public static int Any(IPAddress address)
    {
        for (var i = 0; i < Tries; i++)
        {
            var candidate = RandomNumberGenerator.GetInt32(First, Last);
            if (Problem(address, candidate) is null)
                return candidate;
        }
        throw new CommandFailedException($"no free port on {address}");
    }

    /// <returns>The port, or a free one if it is 0.</returns>
    /// <exception cref="CommandFailedException">The port is taken.</exception>
    public static int Claim(IPAddress address, int port, string flag)
    {
        if (port == 0)
            return Any(address);
        return Problem(address, port) is not { } problem ? port
            : throw ListenFailure.Explain(problem, address.ToString(), (port, flag))
                ?? new CommandFailedException($"port {port} on {address} cannot be used: {problem.Message}");
    }

    private static SocketException? Problem(IPAddress address, int port)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            return null;
        }
        catch (SocketException error)
        {
            return error;
        }
    }
}
