using System.Security.Cryptography;
using OrleansPd.Engines.Probes;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Standalone;

/// <summary>A gateway with a control plane in the same process: no cluster, no Redis.</summary>
public static class StandaloneGateway
{
    /// <summary>Starts listening. The engines may start later.</summary>
    /// <param name="options">Addresses, engines and limits.</param>
    /// <param name="logging">Where the log goes; null = nowhere.</param>
    /// <exception cref="IOException">The port is taken.</exception>
    /// <exception cref="ArgumentException">A policy's name or a worker's address is wrong.</exception>
    public static async Task<GatewayServer> StartAsync(
        GatewayOptions options, Action<ILoggingBuilder>? logging = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var clock = TimeProvider.System;
        // The control plane logs to the same place as the gateway; its logger is disposed after it.
        var loggers = LoggerFactory.Create(builder => logging?.Invoke(builder));
        var upstream = EngineClient.Of(options);
        var plane = EmbeddedControlPlane.Create(
            options.ControlPlane, new EngineProbe(
                options.ControlPlane, upstream, clock), clock, RandomNumberGenerator.GetInt32(int.MaxValue),
            loggers.CreateLogger<EmbeddedControlPlane>());
        try
        {
            var server = await GatewayServer.StartAsync(options, plane, logging, clock, upstream, cancellationToken);
            await plane.StartAsync(cancellationToken);
            server.Own(plane.Died, plane, upstream, new Loggers(loggers));
            return server;
        }
        catch
        {
            await plane.DisposeAsync();
            await upstream.DisposeAsync();
            loggers.Dispose();
            throw;
        }
    }

    private sealed class Loggers(ILoggerFactory factory) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            factory.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
