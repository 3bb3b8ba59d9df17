using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using OrleansPd.Net.Http1;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>
/// One POST and its response over a reused connection: <see cref="SocketsHttpHandler"/> against our client, on .NET sockets and
/// on an event loop. The size is that of the request body; the response has 1 KB. The server in this process costs each of them
/// the same.
/// </summary>
public class HttpClientBenchmarks
{
    private readonly byte[] _into = new byte[4096];
    private IUpstream[] _clients = [];
    private MinimalServer? _server;
    private UpstreamRequest _request;

    [Params("1KB", "64KB", "1MB")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        _server = new MinimalServer();
        _request = new UpstreamRequest
        {
            Engine = _server.Url,
            Path = "/v1/chat/completions",
            Body = new UpstreamBody(JsonBenchmarks.ChatRequest(Size)),
        };
        _clients =
        [
            new HandlerUpstream(), new DirectUpstream(),
            new DirectUpstream(new UpstreamOptions { UseSocketLoop = SocketLoops.IsSupported }),
        ];
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var client in _clients)
            client.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _server?.Dispose();
    }

    [Benchmark(Baseline = true)]
    public Task<int> SocketsHttpHandler() => PostAsync(_clients[0]);

    [Benchmark]
    public Task<int> DirectOnSockets() => PostAsync(_clients[1]);

    [Benchmark]
    public Task<int> DirectOnLoops() => PostAsync(_clients[2]);

    private async Task<int> PostAsync(IUpstream client)
    {
        await using var response = await client.SendAsync(_request, CancellationToken.None).ConfigureAwait(false);
        var total = 0;
        while (await response.ReadAsync(_into, CancellationToken.None).ConfigureAwait(false) is var read and > 0)
            total += read;
        return response.Status == 200 && total == MinimalServer.ResponseBytes
            ? total : throw new InvalidOperationException($"status {response.Status}, {total} bytes");
    }

    /// <summary>
    /// Reads requests with a Content-Length, and answers each with the same bytes. One blocking thread for each connection.
    /// </summary>
    private sealed class MinimalServer : IDisposable
    {
        public const int ResponseBytes = 1024;

        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly byte[] _response =
        [
            .. System.Text.Encoding.ASCII.GetBytes(
                $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {ResponseBytes}\r\n\r\n"),
            .. new byte[ResponseBytes],
        ];

        public MinimalServer()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
            Url = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");
            new Thread(Accept) { IsBackground = true }.Start();
        }

        public Uri Url { get; }

        public void Dispose() => _listener.Dispose();

        private void Accept()
        {
            try
            {
                while (true)
                {
                    var client = _listener.Accept();
                    client.NoDelay = true;
                    new Thread(() => Serve(client)) { IsBackground = true }.Start();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The listener was closed.
            }
        }

        private void Serve(Socket client)
        {
            using var _ = client;
            var buffer = new byte[256 * 1024];
            try
            {
                while (ReadRequest(client, buffer))
                    client.Send(_response);
            }
            catch (SocketException)
            {
                // The client has closed the connection.
            }
        }

        private static bool ReadRequest(Socket client, byte[] buffer)
        {
            var (received, head) = (0, -1);
            while (head < 0)
            {
                var read = client.Receive(buffer, received, buffer.Length - received, SocketFlags.None);
                if (read == 0)
                    return false;
                received += read;
                head = buffer.AsSpan(0, received).IndexOf("\r\n\r\n"u8);
            }
            var length = buffer.AsSpan(buffer.AsSpan(0, head).IndexOf("Content-Length: "u8) + 16);
            _ = System.Buffers.Text.Utf8Parser.TryParse(length, out int body, out var _);
            for (var left = head + 4 + body - received; left > 0;)
                left -= client.Receive(buffer, 0, Math.Min(left, buffer.Length), SocketFlags.None);
            return true;
        }
    }
}
