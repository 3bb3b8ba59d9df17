using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace OrleansPd.Simulator.Hosting;

/// <summary>One Kestrel listener in front of one delegate: no routing, no container, no default headers.</summary>
internal sealed class HttpHost : IHttpApplication<HttpContext>, IAsyncDisposable
{
    /// <summary>Largest body taken: 32 MB.</summary>
    private const long MaxBody = 32L << 20;

    private readonly GatedTransport _transport = new();
    private readonly RequestDelegate _handler;
    private readonly KestrelServer _server;
    private int _stopped;

    private HttpHost(TimeSpan keepAlive, RequestDelegate handler)
    {
        _handler = handler;
        var options = new KestrelServerOptions
        {
            AddServerHeader = false,
            AllowSynchronousIO = false,
            ApplicationServices = new ServiceCollection().AddLogging().BuildServiceProvider(),
        };
        options.Limits.KeepAliveTimeout = keepAlive;
        options.Limits.MaxRequestBodySize = MaxBody;
        options.Limits.MaxConcurrentConnections = null;
        options.Limits.MinRequestBodyDataRate = null;
        options.Limits.MinResponseDataRate = null;
        _server = new KestrelServer(Options.Create(options), _transport, NullLoggerFactory.Instance);
        KestrelOptions = options;
    }

    public int Port { get; private set; }
    public int Connections => _transport.Connections;
    private KestrelServerOptions KestrelOptions { get; }

    public static async Task<HttpHost> StartAsync(
        string host, int port, TimeSpan keepAlive, RequestDelegate handler, CancellationToken ct)
    {
        var started = new HttpHost(keepAlive, handler);
        started.KestrelOptions.Listen(await AddressOfAsync(host, ct), port, listen => listen.Protocols = HttpProtocols.Http1);
        await started._server.StartAsync(started, ct);
        started.Port = started._transport.EndPoint!.Port;
        return started;
    }

    public static async Task<IPAddress> AddressOfAsync(string host, CancellationToken ct)
    {
        var bare = host.Trim('[', ']');
        return IPAddress.TryParse(bare, out var address) ? address
            : bare == "localhost" ? IPAddress.Loopback
            : (await Dns.GetHostAddressesAsync(bare, ct))[0];
    }

    public Task RefuseAsync() => _transport.CloseAsync();

    public void Accept() => _transport.Open();

    /// <summary>As when the process is killed: the listener is closed and every connection is reset.</summary>
    public async Task KillAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
            return;
        await _transport.CloseAsync();
        _transport.ResetAll();
        await StopServerAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) == 0)
            await StopServerAsync();
    }

    HttpContext IHttpApplication<HttpContext>.CreateContext(IFeatureCollection contextFeatures) =>
        new DefaultHttpContext(contextFeatures);

    Task IHttpApplication<HttpContext>.ProcessRequestAsync(HttpContext context) => _handler(context);

    void IHttpApplication<HttpContext>.DisposeContext(HttpContext context, Exception? exception)
    {
    }

    private async Task StopServerAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _server.StopAsync(now.Token);
        _server.Dispose();
    }
}
