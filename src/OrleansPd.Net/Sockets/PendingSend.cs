namespace OrleansPd.Net.Sockets;

/// <summary>
/// The unsent rest of one send: a block, and the segments that follow it. A mutable struct: store it in the socket, do not
/// copy it.
/// </summary>
internal struct PendingSend(ReadOnlyMemory<byte> first, ReadOnlyMemory<byte>[]? more)
{
    private ReadOnlyMemory<byte> _first = first;
    private ReadOnlyMemory<byte>[]? _more = more;
    private int _next;

    private readonly bool HasMore => _more is not null && _next < _more.Length;

    /// <summary>Sends until all is sent, an error occurs, or the socket's send buffer is full.</summary>
    /// <param name="fd">A connected socket.</param>
    /// <param name="error">The error number, or 0.</param>
    /// <returns>False when the send buffer is full: call again when the socket is writable.</returns>
    public bool TrySend(int fd, out int error)
    {
        error = 0;
        while (true)
        {
            while (_first.IsEmpty)
            {
                if (!HasMore)
                {
                    // Even an empty slice keeps its array alive.
                    this = default;
                    return true;
                }
                _first = _more![_next++];
            }
            // MSG_MORE must be followed by bytes: without them the kernel holds the last packet back for 200 ms.
            while (HasMore && _more![_next].IsEmpty)
                _next++;
            var sent = Libc.Send(fd, _first.Span, moreFollows: HasMore);
            if (sent < 0)
            {
                if (sent == -Libc.Again)
                    return false;
                error = -sent;
                this = default;
                return true;
            }
            _first = _first[sent..];
        }
    }
}
