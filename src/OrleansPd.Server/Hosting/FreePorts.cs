using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using OrleansPd.Server.CommandLine;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Hosting;

/// <summary>Ports of the silo, looked at before it joins: what fails afterwards is seen by the whole cluster.</summary>
internal static class FreePorts
{
    // Below those that systems give to outgoing connections: between this look and the silo's listening nothing takes one by
    // chance.
    private const int First = 15_000;
    private const int Last = 32_000;
    private const int Tries = 100;

    /// <returns>The port, or a free one where it is 0.</returns>
    /// <exception cref="CommandFailedException">It is taken.</exception>
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
