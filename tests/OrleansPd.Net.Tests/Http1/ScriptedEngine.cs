using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace OrleansPd.Net.Tests.Http1;

/// <summary>An engine that sends exactly the bytes of a test.</summary>
internal sealed class ScriptedEngine : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Connection, Task> _script;
    private readonly X509Certificate2? _certificate;
    private readonly List<Task> _running = [];
    private readonly Task _accepting;
    private int _connections;

    /// <param name="script">Runs once for each connection.</param>
    /// <param name="tls">Use TLS with a self-signed certificate.</param>
    public ScriptedEngine(Func<Connection, Task> script, bool tls = false)
    {
        _script = script;
        _certificate = tls ? SelfMade() : null;
        _listener.Start();
        Url = new Uri($"{(tls ? "https" : "http")}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _accepting = AcceptAsync();
    }

    public Uri Url { get; }

    public int Connections => Volatile.Read(ref _connections);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_running);
        _certificate?.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _running.Add(ServeAsync(client, Interlocked.Increment(ref _connections)));
            }
        }
        catch (Exception e) when (
            e is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client, int number)
    {
        using (client)
        {
            client.NoDelay = true;
            Stream stream = client.GetStream();
            try
            {
                if (_certificate is not null)
                {
                    var tls = new SslStream(stream);
                    await tls.AuthenticateAsServerAsync(_certificate);
                    stream = tls;
                }
                await _script(new Connection(stream, client.Client, number, _stop.Token));
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The client has closed the connection, or the test is over.
            }
        }
    }

    private static X509Certificate2 SelfMade()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }

    /// <summary>One connection to the engine.</summary>
    internal sealed class Connection(Stream stream, Socket socket, int number, CancellationToken stop)
    {
        private readonly List<byte> _kept = [];

        /// <summary>1 for the first.</summary>
        public int Number => number;

        public CancellationToken Stop => stop;

        /// <summary>Reads a whole request, head and body. Null when the client has closed the connection.</summary>
        public async Task<string?> ReadAsync()
        {
            var buffer = new byte[64 * 1024];
            while (true)
            {
                var text = Encoding.UTF8.GetString([.. _kept]);
                var head = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
                if (head >= 0)
                {
                    var length = text.Split("\r\n")
                        .FirstOrDefault(l => l.StartsWith("Content-Length: ", StringComparison.Ordinal)) is { } line
                        ? int.Parse(line.Split(' ')[1]) : 0;
                    if (_kept.Count >= head + 4 + length)
                    {
                        var request = Encoding.UTF8.GetString([.. _kept.Take(head + 4 + length)]);
                        _kept.RemoveRange(0, head + 4 + length);
                        return request;
                    }
                }
                var read = await stream.ReadAsync(buffer, stop);
                if (read == 0)
                    return null;
                _kept.AddRange(buffer.AsSpan(0, read));
            }
        }

        public async Task SayAsync(string text) => await SayAsync(Encoding.Latin1.GetBytes(text));

        public async Task SayAsync(ReadOnlyMemory<byte> bytes)
        {
            await stream.WriteAsync(bytes, stop);
            await stream.FlushAsync(stop);
        }

        /// <summary>Closes the connection in order.</summary>
        public void Close() => socket.Close();

        /// <summary>Closes the connection with a reset.</summary>
        public void Reset()
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Close();
        }
    }
}
