using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using OrleansPd.Server.CommandLine;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Hosting;

/// <summary>Checks the silo's ports before it joins: a failure after that would be seen by the whole cluster.</summary>
internal static class FreePorts
{
    // Below the ports of outgoing connections, so that none takes the port between this check and the silo's listening.
    private const int First = 15_000;
    private const int Last = 32_000;
    private const int Tries = 100;

    /// <returns>The port; a free one if it is 0.</returns>
    /// <exception cref="CommandFailedException">The port is taken.</exception>
    public static int Claim(IPAddress address, int port, string flag)
    {
        for (var i = 0; port == 0 && i < Tries; i++)
        {
            var candidate = RandomNumberGenerator.GetInt32(First, Last);
            if (Problem(address, candidate) is null)
            {
                return candidate;
            }
        }
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
