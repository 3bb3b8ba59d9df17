using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansPd.Gateway.Tests.Transport;

/// <summary>A client that sends any bytes at any time.</summary>
internal sealed class RawClient : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private byte[] _unread = new byte[64 * 1024];
    private int _start;
    private int _end;

    private RawClient(Socket socket)
    {
        Socket = socket;
    }

    public Socket Socket { get; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<RawClient> ConnectAsync(IPEndPoint there, int receiveBuffer = 0)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBuffer > 0)
            socket.ReceiveBufferSize = receiveBuffer;
        await socket.ConnectAsync(there, Token);
        return new RawClient(socket);
    }

    public Task SendAsync(string text) => SendAsync(Encoding.ASCII.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[await Socket.SendAsync(bytes, Token).AsTask().WaitAsync(Limit, Token)..];
    }

    /// <summary>Sends all bytes as the server reads them; false when the connection broke.</summary>
    public async Task<bool> TrySendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await SendAsync(bytes);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Reads one whole response.</summary>
    public async Task<(int Status, byte[] Body)> AnswerAsync()
    {
        var head = await HeadAsync();
        var status = int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
        if (status < 200)
            return (status, []);
        if (head.Contains("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase))
        {
            using var body = new MemoryStream();
            while (int.Parse(await LineAsync(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) is var size and > 0)
            {
                body.Write(await BytesAsync(size));
                Assert.Equal("", await LineAsync());
            }
            Assert.Equal("", await LineAsync());
            return (status, body.ToArray());
        }
        const string Length = "Content-Length: ";
        var length = head.Split("\r\n")
            .Single(line => line.StartsWith(Length, StringComparison.OrdinalIgnoreCase))[Length.Length..];
        return (status, await BytesAsync(int.Parse(length, CultureInfo.InvariantCulture)));
    }

    public async Task<string> TextAsync()
    {
        var (status, body) = await AnswerAsync();
        Assert.Equal(200, status);
        return Encoding.ASCII.GetString(body);
    }

    /// <summary>Reads lines up to the empty one.</summary>
    public async Task<string> HeadAsync()
    {
        var head = new StringBuilder();
        while (await LineAsync() is { Length: > 0 } line)
            head.Append(line).Append("\r\n");
        return head.ToString();
    }

    public async Task<string> LineAsync()
    {
        var line = new StringBuilder();
        while (true)
        {
            if (_start == _end)
                Assert.True(await MoreAsync(), $"the connection ended behind '{line}'");
            var next = (char)_unread[_start++];
            if (next == '\n')
                return line.ToString().TrimEnd('\r');
            line.Append(next);
        }
    }

    public async Task<byte[]> BytesAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            if (_start == _end)
                Assert.True(await MoreAsync(), $"the connection ended behind {at} of {count} bytes");
            var part = Math.Min(count - at, _end - _start);
            _unread.AsSpan(_start, part).CopyTo(bytes.AsSpan(at));
            (at, _start) = (at + part, _start + part);
        }
        return bytes;
    }

    /// <summary>False at the end of the connection.</summary>
    public async Task<bool> MoreAsync()
    {
        _start = 0;
        _end = await Socket.ReceiveAsync(_unread, Token).AsTask().WaitAsync(Limit, Token);
        return _end > 0;
    }

    /// <summary>Reads to the end or the reset.</summary>
    public async Task EndAsync()
    {
        try
        {
            while (await MoreAsync())
            {
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
        }
    }

    public void Leave(Leaving how)
    {
        switch (how)
        {
            case Leaving.Half:
                Socket.Shutdown(SocketShutdown.Send);
                break;
            case Leaving.Close:
                Socket.Dispose();
                break;
            default:
                Socket.Close(timeout: 0);
                break;
        }
    }

    public void Dispose() => Socket.Dispose();
}

/// <summary>How a client ends its connection.</summary>
public enum Leaving
{
    /// <summary>Half-closes; Kestrel treats that client as gone.</summary>
    Half,

    Close,

    Reset,
}
