using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Http1;

/// <summary>The connections to one engine. The one that was used last is used first, so that those too many grow old.</summary>
internal sealed class EngineConnections(Uri engine, UpstreamOptions options, TimeProvider clock) : IDisposable
{
    /// <summary>Kinds of requests whose first lines are kept; there are about five, but paths may come from clients.</summary>
    private const int MaxHeads = 64;

    private readonly Lock _gate = new();
    private readonly List<EngineLink> _idle = [];
    private readonly ConcurrentDictionary<(string Method, string Path, bool HasBody), byte[]> _heads = new();
    private volatile bool _disposed;
    private string _contentType = "application/json";
    private long _usedAt = clock.GetTimestamp();

    /// <summary>It keeps no connection any more; a new pool stands in its place.</summary>
    public bool IsDisposed => _disposed;

    /// <summary>Nothing has been sent for so long, and there is no connection.</summary>
    public bool IsForgotten(TimeSpan after)
    {
        lock (_gate)
        {
            return _idle.Count == 0 && clock.GetElapsedTime(_usedAt) >= after;
        }
    }

    /// <summary>An idle connection that the engine has not closed; null when there is none.</summary>
    public EngineLink? Rent()
    {
        lock (_gate)
        {
            _usedAt = clock.GetTimestamp();
            while (_idle.Count > 0)
            {
                var link = _idle[^1];
                _idle.RemoveAt(_idle.Count - 1);
                var idle = clock.GetElapsedTime(link.IdleSince, _usedAt);
                if (idle < options.IdleTimeout && link.MayBeUsed(idle))
                {
                    return link;
                }
                link.Dispose();
            }
            return null;
        }
    }

    /// <summary>Takes a connection back whose answer was read to its end.</summary>
    public void Return(EngineLink link)
    {
        link.Answers++;
        link.Listen();
        lock (_gate)
        {
            if (!_disposed)
            {
                link.IdleSince = clock.GetTimestamp();
                _idle.Add(link);
                return;
            }
        }
        link.Dispose();
    }

    /// <summary>Closes what has been idle for too long or was closed by the engine.</summary>
    public void Sweep()
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            _idle.RemoveAll(link =>
            {
                var old = !link.IsQuiet || clock.GetElapsedTime(link.IdleSince, now) >= options.IdleTimeout;
                if (old)
                {
                    link.Dispose();
                }
                return old;
            });
        }
    }

    /// <exception cref="UpstreamException">No connection was made in time.</exception>
    public async ValueTask<EngineLink> ConnectAsync(TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout < options.ConnectTimeout ? timeout.Value : options.ConnectTimeout);
        EndPoint there = IPAddress.TryParse(engine.IdnHost, out var address)
            ? new IPEndPoint(address, engine.Port) : new DnsEndPoint(engine.IdnHost, engine.Port);
        if (options.UseSocketLoop && SocketLoop.IsSupported && engine.Scheme == Uri.UriSchemeHttp)
        {
            try
            {
                return new EngineLink(await LoopSocket.ConnectAsync(there, limit.Token).ConfigureAwait(false));
            }
            catch (Exception e) when (
                e is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
            {
                throw NotConnected(e, cancellationToken);
            }
        }
        var socket = address is null
            ? new Socket(SocketType.Stream, ProtocolType.Tcp)
            : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        SslStream? tls = null;
        try
        {
            socket.NoDelay = true;
            await socket.ConnectAsync(there, limit.Token).ConfigureAwait(false);
            if (engine.Scheme == Uri.UriSchemeHttps)
            {
                tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
                await tls.AuthenticateAsClientAsync(
                    new SslClientAuthenticationOptions
                    {
                        TargetHost = engine.IdnHost,
                        ApplicationProtocols = [SslApplicationProtocol.Http11],
                        CertificateChainPolicy = options.Tls?.CertificateChainPolicy,
                        ClientCertificates = options.Tls?.ClientCertificates,
                        RemoteCertificateValidationCallback = options.Tls?.RemoteCertificateValidationCallback,
                    },
                    limit.Token).ConfigureAwait(false);
            }
            return new EngineLink(socket, tls);
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or OperationCanceledException)
        {
            if (tls is not null)
            {
                await tls.DisposeAsync().ConfigureAwait(false);
            }
            socket.Dispose();
            throw NotConnected(e, cancellationToken);
        }
    }

    private UpstreamException NotConnected(Exception e, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new UpstreamException(
            neverSent: true, e is OperationCanceledException ? "The connection was not made in time."
                : $"{e.Message} ({engine.Authority})", e);
    }

    /// <summary>
    /// The head of a request up to the length of its body, without the headers that differ from request to request.
    /// </summary>
    public byte[] HeadOf(string method, string path, bool hasBody)
    {
        if (_heads.TryGetValue((method, path, hasBody), out var head))
        {
            return head;
        }
        // Paths are ours or were cleaned by the server in front; what could still break the line is escaped.
        var safe = path.AsSpan().ContainsAnyExceptInRange('!', '~') ? new Uri(engine, path).PathAndQuery : path;
        head = Encoding.ASCII.GetBytes(
            $"{method} {safe} HTTP/1.1\r\nHost: {engine.Authority}\r\n" + (hasBody ? "Content-Type: application/json\r\n" : ""));
        if (_heads.Count < MaxHeads)
        {
            _heads[(method, path, hasBody)] = head;
        }
        return head;
    }

    /// <summary>The text of a content type; the same as the last one costs nothing.</summary>
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
            _idle.ForEach(link => link.Dispose());
            _idle.Clear();
        }
    }
}
