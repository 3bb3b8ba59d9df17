using System.Net.Sockets;

namespace OrleansPd.Server.CommandLine;

/// <summary>Explains why a listener could not start, and what to do.</summary>
internal static class ListenFailure
{
    /// <param name="ports">The ports to listen on and their flags; the one named in the error's text is reported, else the
    /// first.</param>
    public static CommandFailedException? Explain(Exception error, string host, params (int Port, string Flag)[] ports)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            if (cause is not SocketException socket)
                continue;
            var (port, flag) = ports.FirstOrDefault(
                candidate => error.Message.Contains($":{candidate.Port}", StringComparison.Ordinal), ports[0]);
            switch (socket.SocketErrorCode)
            {
                case SocketError.AddressAlreadyInUse:
                    return new($"port {port} on {host} is taken by another process: stop that one, or choose another port with "
                        + $"{flag} (0 = any free port).");
                case SocketError.AccessDenied:
                    return new($"port {port} on {host} may not be opened by this user: choose a port above 1023 with {flag}.");
                case SocketError.AddressNotAvailable:
                    return new($"{host} is not an address of this machine: choose another with --host.");
                case SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain:
                    return new($"{host} is an unknown name: choose another with --host.");
            }
        }
        return null;
    }
}
