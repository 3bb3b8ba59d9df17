using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Transport;

namespace OrleansPd.Gateway.Tests.Transport;

/// <summary>Kestrel on one of the transports, configured as in the gateway, with the test's application.</summary>
internal sealed class TransportStage : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly List<RawClient> _clients = [];

    private TransportStage(WebApplication app)
    {
        _app = app;
        There = new IPEndPoint(IPAddress.Loopback, new Uri(app.Urls.Single()).Port);
    }

    public IPEndPoint There { get; }

    public static async Task<TransportStage> StartAsync(TransportKind kind, RequestDelegate application, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            // Some tests have slow clients.
            (kestrel.Limits.MinRequestBodyDataRate, kestrel.Limits.MinResponseDataRate) = (null, null);
            kestrel.Listen(IPAddress.Loopback, port);
        });
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, BlockPool.Factory>();
        if (kind == TransportKind.Loop)
        {
            builder.Services.AddSingleton(TimeProvider.System);
            builder.Services.AddSingleton<IConnectionListenerFactory, LoopTransport>();
        }
        var app = builder.Build();
        app.Run(application);
        try
        {
            await app.StartAsync(TestContext.Current.CancellationToken);
            return new TransportStage(app);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    public async Task<RawClient> ConnectAsync(int receiveBuffer = 0)
    {
        var client = await RawClient.ConnectAsync(There, receiveBuffer);
        lock (_clients)
            _clients.Add(client);
        return client;
    }

    public Task StopAsync(CancellationToken cancellationToken) => _app.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await _app.DisposeAsync();
    }
}
