using System.Net.Sockets;

namespace OrleansPd.Net.Sockets;

/// <summary>Connects sockets that are on an event loop from the start.</summary>
internal static class LoopConnector
{
    /// <summary>Connects to an address, or to the addresses of a name until one accepts.</summary>
    /// <exception cref="SocketException">No address accepted, or the name is not known.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async ValueTask<LoopSocket> ConnectAsync(SocketLoop loop, EndPoint there, CancellationToken cancellationToken)
    {
        if (there is not DnsEndPoint name)
            return await ConnectAsync(loop, (IPEndPoint)there, cancellationToken).ConfigureAwait(false);
        var addresses = await Dns.GetHostAddressesAsync(name.Host, cancellationToken).ConfigureAwait(false);
        for (var i = 0; ; i++)
        {
            try
            {
                var address = i < addresses.Length ? addresses[i] : throw new SocketException((int)SocketError.HostNotFound);
                return await ConnectAsync(loop, new IPEndPoint(address, name.Port), cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException) when (i < addresses.Length - 1)
            {
                // Try the next address.
            }
        }
    }

    private static async ValueTask<LoopSocket> ConnectAsync(
        SocketLoop loop, IPEndPoint there, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var socket = new Socket(there.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        LoopSocket? connected = null;
        try
        {
            var address = there.Serialize();
            var result = Libc.Connect((int)socket.Handle, address.Buffer.Span[..address.Size]);
            if (result is not (0 or -Libc.InProgress))
                throw Libc.ToException(-result);
            connected = new LoopSocket(loop, socket);
            connected.Start();
            if (result != 0)
                await WaitAsync(connected, socket, cancellationToken).ConfigureAwait(false);
            return connected;
        }
        catch
        {
            connected?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    private static async ValueTask WaitAsync(LoopSocket connecting, Socket socket, CancellationToken cancellationToken)
    {
        var registration = cancellationToken.UnsafeRegister(static state => ((LoopSocket)state!).Dispose(), connecting);
        await using (registration.ConfigureAwait(false))
        {
            try
            {
                await connecting.WritableAsync().ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw;
            }
        }
        // The token may have closed the socket just after it was connected.
        cancellationToken.ThrowIfCancellationRequested();
        if (socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error) is int error and not 0)
            throw new SocketException(error);
    }
}
