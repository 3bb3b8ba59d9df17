using System.Net.Sockets;

namespace OrleansPd.Net.Http1;

/// <summary>
/// One exchange on a connection of <see cref="DirectUpstream"/>. It owns the connection until the last byte of the response.
/// </summary>
internal sealed partial class DirectResponse : IUpstreamResponse
{
    private readonly HostConnections _connections;
    private readonly UpstreamOptions _options;
    private readonly TimeProvider _clock;
    private readonly CancellationToken _token;
    private readonly CancellationTokenRegistration _registration;
    private readonly long _started;
    private readonly TimeSpan _idle;
    private Http1Connection? _connection;
    private AnswerLines _lines;
    private BodyFramer _framer;
    private bool _hasBegun;
    private bool _sendFailed;

    public DirectResponse(
        HostConnections connections, Http1Connection connection, UpstreamOptions options, TimeProvider clock,
        CancellationToken token)
    {
        (_connections, _connection, _options, _clock, _token) = (connections, connection, options, clock, token);
        _started = clock.GetTimestamp();
        _idle = connection.Responses > 0 ? clock.GetElapsedTime(connection.IdleSince, _started) : TimeSpan.Zero;
        // Closing the socket ends every wait on it, and engines treat a closed connection as an abort.
        _registration = token.UnsafeRegister(static state => ((Http1Connection)state!).Dispose(), connection);
    }

    public int Status => _lines.Status;
    public string? ContentType { get; private set; }

    public long? ContentLength => _lines.Framing switch
    {
        BodyFraming.Length => _lines.Length,
        BodyFraming.None => 0,
        _ => null,
    };

    public TimeSpan? RetryAfter => _lines.RetryAfterSeconds >= 0 ? TimeSpan.FromSeconds(_lines.RetryAfterSeconds) : null;
    public bool IsComplete => _connection is null;

    /// <remarks>
    /// The response head is read only after the send has ended. If the engine closed the connection during the send, the send is
    /// not continued, so the body is not needed either.
    /// </remarks>
    public bool HasTakenBody => true;

    public ValueTask DisposeAsync()
    {
        Abort();
        return default;
    }

    /// <summary>Closes the connection, unless the response was read to its end.</summary>
    private void Abort()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            _registration.Unregister();
            connection.Dispose();
        }
    }

    /// <summary>
    /// The response was read to its end. Keeps the connection for the next request if it is reusable: nothing failed, the head
    /// allows it, and no unexpected bytes follow.
    /// </summary>
    private void Finish(bool clean = true)
    {
        var connection = _connection!;
        _connection = null;
        // Unregister returns false when the token has fired or is firing: then it closes the connection.
        var ours = !_token.CanBeCanceled || _registration.Unregister();
        if (clean && ours && !_sendFailed && _lines.MayReuse && connection.Unread.IsEmpty)
            _connections.Return(connection);
        else
            connection.Dispose();
    }

    private static bool IsConnectionFailure(Exception e) => e is SocketException or IOException or ObjectDisposedException;
}
