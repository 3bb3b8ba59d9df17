using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OrleansPd.Gateway;

/// <summary>A gateway in this process: Kestrel, the HTTP surface, and a control plane.</summary>
public sealed class GatewayServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GatewayServer(WebApplication app, Uri url)
    {
        _app = app;
        Url = url;
    }

    /// <summary>Where it listens; the port is the real one where 0 was asked for.</summary>
    public Uri Url { get; }

    /// <summary>Ends when the gateway was asked to stop and has.</summary>
    public Task Completion => _app.WaitForShutdownAsync();

    /// <summary>Starts listening. Engines need not be there yet.</summary>
    /// <exception cref="IOException">The port is taken.</exception>
    public static Task<GatewayServer> StartAsync(
        GatewayOptions options, Action<ILoggingBuilder>? logging = null, CancellationToken cancellationToken = default) =>
        throw new NotImplementedException();

    /// <summary>Stops in order: not ready, no new requests, in-flight ones to their end or the grace, then the listener.</summary>
    public Task StopAsync(CancellationToken cancellationToken = default) => _app.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
