using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace OrleansPd.Standalone.Facade;

/// <summary>A Kestrel listener that passes all requests to one delegate, without routing, container and middleware.</summary>
internal sealed class FacadeListener : IHttpApplication<HttpContext>, IAsyncDisposable
{
    /// <summary>Decode engines probe every 5 s over a kept-alive connection; SGLang's own server keeps it for 75 s.</summary>
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(120);

    private readonly RequestDelegate _handler;
    private readonly ServiceProvider _services;
    private readonly KestrelServer _server;

    private FacadeListener(IPAddress? address, int port, long maxBody, RequestDelegate handler)
    {
        _handler = handler;
        _services = new ServiceCollection().AddLogging().BuildServiceProvider();
        var options = new KestrelServerOptions { AddServerHeader = false, ApplicationServices = _services };
        options.Limits.KeepAliveTimeout = KeepAlive;
        options.Limits.MaxRequestBodySize = maxBody;
        if (address is null)
            options.ListenAnyIP(port, listen => listen.Protocols = HttpProtocols.Http1);
        else
            options.Listen(address, port, listen => listen.Protocols = HttpProtocols.Http1);
        var sockets = new SocketTransportFactory(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);
        _server = new KestrelServer(Options.Create(options), sockets, NullLoggerFactory.Instance);
    }

    public int Port { get; private set; }

    /// <param name="address">Null = all addresses of this machine.</param>
    /// <param name="port">0 = any free one.</param>
    /// <param name="maxBody">Maximum size of a request body, in bytes.</param>
    /// <param name="handler">Answers the requests.</param>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<FacadeListener> StartAsync(
        IPAddress? address, int port, long maxBody, RequestDelegate handler, CancellationToken cancellationToken)
    {
        var listener = new FacadeListener(address, port, maxBody, handler);
        try
        {
            await listener._server.StartAsync(listener, cancellationToken);
            listener.Port = new Uri(listener._server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First()
                .Replace("[::]", "localhost", StringComparison.Ordinal)
                .Replace("0.0.0.0", "localhost", StringComparison.Ordinal)).Port;
            return listener;
        }
        catch
        {
            await listener.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync(new CancellationToken(canceled: true));
        _server.Dispose();
        await _services.DisposeAsync();
    }

    HttpContext IHttpApplication<HttpContext>.CreateContext(IFeatureCollection contextFeatures) =>
        new DefaultHttpContext(contextFeatures);

    Task IHttpApplication<HttpContext>.ProcessRequestAsync(HttpContext context) => _handler(context);

    void IHttpApplication<HttpContext>.DisposeContext(HttpContext context, Exception? exception)
    {
    }
}
