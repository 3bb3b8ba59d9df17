using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Http1;

/// <summary>
/// The connections to one host and port. The most recently used one is reused first, so that surplus connections become idle and
/// expire.
/// </summary>
internal sealed class HostConnections(Uri host, UpstreamOptions options, TimeProvider clock) : IDisposable
{
    /// <summary>Maximum number of cached request heads. About five are in use, but paths may come from clients.</summary>
    private const int MaxHeads = 64;

    private readonly Lock _gate = new();
    private readonly List<Http1Connection> _idle = [];
    private readonly ConcurrentDictionary<(string Method, string Path, bool HasBody), byte[]> _heads = new();
    private volatile bool _disposed;
    private string _contentType = "application/json";
    private long _usedAt = clock.GetTimestamp();

    public bool IsDisposed => _disposed;

    /// <summary>No connection is idle, and no request was sent for this long.</summary>
    public bool IsUnused(TimeSpan since)
    {
        lock (_gate)
            return _idle.Count == 0 && clock.GetElapsedTime(_usedAt) >= since;
    }

    /// <summary>An idle connection that the peer has not closed; null when there is none.</summary>
    public Http1Connection? Rent()
    {
        lock (_gate)
        {
            _usedAt = clock.GetTimestamp();
            while (_idle.Count > 0)
            {
                var connection = _idle[^1];
                _idle.RemoveAt(_idle.Count - 1);
                var idle = clock.GetElapsedTime(connection.IdleSince, _usedAt);
                if (idle < options.IdleTimeout && connection.IsReusable(idle))
                    return connection;
                connection.Dispose();
            }
            return null;
        }
    }

    /// <summary>Takes back a connection whose response was read to its end.</summary>
    public void Return(Http1Connection connection)
    {
        connection.Responses++;
        connection.BeginResponse();
        lock (_gate)
        {
            if (!_disposed)
            {
                connection.IdleSince = clock.GetTimestamp();
                _idle.Add(connection);
                return;
            }
        }
        connection.Dispose();
    }

    /// <summary>Closes connections that were idle for too long or were closed by the peer.</summary>
    public void Sweep()
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            _idle.RemoveAll(connection =>
            {
                var expired = !connection.IsQuiet || clock.GetElapsedTime(connection.IdleSince, now) >= options.IdleTimeout;
                if (expired)
                    connection.Dispose();
                return expired;
            });
        }
    }

    /// <exception cref="UpstreamException">No connection was made in time.</exception>
    public async ValueTask<Http1Connection> ConnectAsync(TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var expiry = new CancellationTokenSource(
            timeout < options.ConnectTimeout ? timeout.Value : options.ConnectTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, expiry.Token);
        EndPoint there = IPAddress.TryParse(host.IdnHost, out var address)
            ? new IPEndPoint(address, host.Port) : new DnsEndPoint(host.IdnHost, host.Port);
        try
        {
            return options.UseSocketLoop && SocketLoops.IsSupported && host.Scheme == Uri.UriSchemeHttp
                ? new Http1LoopConnection(
                    await LoopConnector.ConnectAsync(SocketLoops.Shared.Next(), there, either.Token).ConfigureAwait(false))
                : await ConnectStreamAsync(there, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or ObjectDisposedException
            or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var message = e is OperationCanceledException
                ? "The connection was not made in time." : $"{e.Message} ({host.Authority})";
            throw new UpstreamException(neverSent: true, message, e);
        }
    }

    /// <summary>
    /// The head of a request up to its Content-Length, which is the part that is equal for all requests of this kind.
    /// </summary>
    public byte[] HeadOf(string method, string path, bool hasBody)
    {
        if (_heads.TryGetValue((method, path, hasBody), out var head))
            return head;
        // Paths are ours or were checked by the server in front; escape what would break the request line.
        var safe = path.AsSpan().ContainsAnyExceptInRange('!', '~') ? new Uri(host, path).PathAndQuery : path;
        head = Encoding.ASCII.GetBytes(
            $"{method} {safe} HTTP/1.1\r\nHost: {host.Authority}\r\n" + (hasBody ? "Content-Type: application/json\r\n" : ""));
        if (_heads.Count < MaxHeads)
            _heads[(method, path, hasBody)] = head;
        return head;
    }

    /// <summary>The text of a content type. The last one is cached.</summary>
    public string ContentTypeOf(ReadOnlySpan<byte> value)
    {
        var last = _contentType;
        return last.Length == value.Length && Ascii.Equals(value, last) ? last : _contentType = Encoding.Latin1.GetString(value);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _idle.ForEach(connection => connection.Dispose());
            _idle.Clear();
        }
    }

    private async ValueTask<Http1Connection> ConnectStreamAsync(EndPoint there, CancellationToken cancellationToken)
    {
        var socket = there is IPEndPoint
            ? new Socket(there.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        Stream? stream = null;
        try
        {
            socket.NoDelay = true;
            await socket.ConnectAsync(there, cancellationToken).ConfigureAwait(false);
            stream = new NetworkStream(socket, ownsSocket: false);
            if (host.Scheme == Uri.UriSchemeHttps)
            {
                var tls = new SslStream(stream);
                stream = tls;
                await tls.AuthenticateAsClientAsync(
                    new SslClientAuthenticationOptions
                    {
                        TargetHost = host.IdnHost,
                        ApplicationProtocols = [SslApplicationProtocol.Http11],
                        CertificateChainPolicy = options.Tls?.CertificateChainPolicy,
                        ClientCertificates = options.Tls?.ClientCertificates,
                        RemoteCertificateValidationCallback = options.Tls?.RemoteCertificateValidationCallback,
                    },
                    cancellationToken).ConfigureAwait(false);
            }
            return new Http1StreamConnection(socket, stream);
        }
        catch
        {
            if (stream is not null)
                await stream.DisposeAsync().ConfigureAwait(false);
            socket.Dispose();
            throw;
        }
    }
}
