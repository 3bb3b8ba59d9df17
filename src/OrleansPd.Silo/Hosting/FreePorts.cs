using System.Net;
using System.Net.Sockets;
using OrleansPd.Server.Commands;

namespace OrleansPd.Silo.Hosting;

/// <summary>Ports of the silo, looked at before it joins: what fails afterwards is seen by the whole cluster.</summary>
internal static class FreePorts
{
    /// <returns>The port, or a free one where it is 0.</returns>
    /// <exception cref="CommandFailedException">It is taken.</exception>
    public static int Claim(IPAddress address, int port, string flag)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }
        catch (SocketException error)
        {
            throw ListenFailure.Explain(error, address.ToString(), (port, flag))
                ?? new CommandFailedException($"port {port} on {address} cannot be used: {error.Message}");
        }
    }
}
