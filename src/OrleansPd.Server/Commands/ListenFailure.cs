using System.Net.Sockets;

namespace OrleansPd.Server.Commands;

/// <summary>Says why a listener could not start, and what to do.</summary>
internal static class ListenFailure
{
    public static CommandFailedException? Explain(Exception error, string host, int port, string flag = "--port")
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }:
                    return new($"port {port} on {host} is taken by another process: stop that one, or choose another port with "
                        + $"{flag} (0 = any free one).");
                case SocketException { SocketErrorCode: SocketError.AccessDenied }:
                    return new($"port {port} on {host} may not be opened by this user: choose one above 1023 with {flag}.");
                case SocketException { SocketErrorCode: SocketError.AddressNotAvailable }:
                    return new($"{host} is no address of this machine: choose another with --host.");
            }
        }

        return null;
    }
}
