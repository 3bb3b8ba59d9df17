using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OrleansPd.Gateway.Observing;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Transport;
using OrleansPd.Net.Http1;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Hosting;

/// <summary>A gateway in this process: Kestrel, the HTTP surface, and a control plane.</summary>
public sealed class GatewayServer : IAsyncDisposable
{
    /// <summary>How often a stopping gateway checks whether its last request has ended.</summary>
    private static readonly TimeSpan IdlePoll = TimeSpan.FromMilliseconds(20);

    /// <summary>Maximum wait for the aborts of requests that did not end in time: the time-out of one abort call.</summary>
    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(2);

    private readonly WebApplication _app;
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IReadOnlyList<IAsyncDisposable> _owned = [];
    private Task _watch = Task.CompletedTask;

    /// <summary>
    /// A line feed alone does not end a header line: a proxy in front of this gateway may read it differently, and then a header
    /// or a whole request could be hidden from one of the two.
    /// </summary>
    static GatewayServer() => AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);

    private GatewayServer(WebApplication app)
    {
        _app = app;
        Url = ListeningUrl(app);
    }

    /// <summary>The address to call: with the real port where the options say 0, and a host that can be connected to.</summary>
    public Uri Url { get; }

    /// <summary>Completes when the gateway has stopped.</summary>
    public Task Completion => _app.WaitForShutdownAsync();

    /// <summary>Why the gateway stopped without a request to stop; null when it did not.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>The fleet, admission and rooms behind this gateway.</summary>
    public IControlPlane ControlPlane => _app.Services.GetRequiredService<IControlPlane>();

    /// <summary>The last requests.</summary>
    public RequestLog Requests => _app.Services.GetRequiredService<RequestLog>();

    internal IUpstream Upstream => _app.Services.GetRequiredService<IUpstream>();
    public GatewayMetrics Metrics => _app.Services.GetRequiredService<GatewayMetrics>();

    /// <summary>The dispatcher, for its gauges.</summary>
    public RequestDispatcher Dispatcher => _app.Services.GetRequiredService<RequestDispatcher>();

    /// <summary>Starts listening in front of a control plane that the caller owns.</summary>
    /// <param name="options">The settings of the HTTP side.</param>
    /// <param name="controlPlane">The fleet, admission and rooms.</param>
    /// <param name="logging">Where the log goes; null = nowhere.</param>
    /// <param name="clock">The time; null = the system clock.</param>
    /// <param name="upstream">How engines are reached, disposed by the caller; null = as the options say.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="IOException">The port is taken.</exception>
    /// <exception cref="ArgumentException">Options cannot be used; the message names all of them with the reason.</exception>
    public static async Task<GatewayServer> StartAsync(
        GatewayOptions options, IControlPlane controlPlane, Action<ILoggingBuilder>? logging = null, TimeProvider? clock = null,
        IUpstream? upstream = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (GatewayOptionsValidator.Validate(options) is { Count: > 0 } problems)
            throw new ArgumentException(string.Join(' ', problems), nameof(options));
        var app = Build(options, controlPlane, logging, clock ?? TimeProvider.System, upstream);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
        var server = new GatewayServer(app);
        if (UsesLoops(options))
            server.StopOn(SocketLoops.Shared.Died);
        Log.Listening(app.Services.GetRequiredService<ILogger<GatewayServer>>(), server.Url);
        return server;
    }

    private static WebApplication Build(
        GatewayOptions options, IControlPlane controlPlane, Action<ILoggingBuilder>? logging, TimeProvider clock,
        IUpstream? upstream)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        logging?.Invoke(builder.Logging);
        // It would make an activity and a log scope for each request; the gateway logs and traces requests itself.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        Listen(builder, options);
        builder.Services.AddRoutingCore();
        // The executable handles signals: the host's own answer to SIGTERM would close the listener before the grace period.
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddPd(options, controlPlane, clock, upstream);
        var app = builder.Build();
        app.UsePd();
        app.MapPd();
        return app;
    }

    private static bool UsesLoops(GatewayOptions options) => options.Transport == TransportKind.Loop && SocketLoops.IsSupported;

    private static void Listen(WebApplicationBuilder builder, GatewayOptions options)
    {
        var certificate = EngineTls.Listener(options);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Our own limit answers in the caller's dialect.
            kestrel.Limits.MaxRequestBodySize = null;
            if (options.Host is "localhost")
                kestrel.ListenLocalhost(options.Port, Secure);
            else
                kestrel.Listen(AddressOf(options.Host), options.Port, Secure);
        });
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, BlockPool.Factory>();
        if (UsesLoops(options))
            builder.Services.AddSingleton<IConnectionListenerFactory, LoopTransport>();
        // Pays off only where the sockets' completions are inline too; alone it costs more than it saves.
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.UnsafePreferInlineScheduling = InlineSockets.AreOn);
        if (certificate is not null)
            builder.WebHost.UseKestrelHttpsConfiguration();

        void Secure(ListenOptions listen)
        {
            if (certificate is not null)
                listen.UseHttps(certificate);
        }
    }

    /// <summary>
    /// Stops in this order: reports that it is not ready, accepts requests for <see cref="GatewayOptions.ShutdownDelaySecs"/>,
    /// waits
    /// <see cref="GatewayOptions.ShutdownGracePeriodSecs"/> at most for those in flight, aborts the rest on their engines, closes
    /// the listener.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait: requests in flight are aborted at once.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        var options = _app.Services.GetRequiredService<GatewayOptions>();
        var clock = _app.Services.GetRequiredService<TimeProvider>();
        _app.Services.GetRequiredService<GatewayLifetime>().Stop();
        Log.Stopping(_app.Services.GetRequiredService<ILogger<GatewayServer>>(), Metrics.Active);
        try
        {
            await Task.Delay(TimeSpan.FromSeconds(options.ShutdownDelaySecs), clock, cancellationToken);
            using var grace = new CancellationTokenSource(TimeSpan.FromSeconds(options.ShutdownGracePeriodSecs), clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(grace.Token, cancellationToken);
            await IdleAsync(clock, either.Token);
        }
        catch (OperationCanceledException)
        {
            // The grace period is over: the rest is aborted below.
        }
        Dispatcher.EndAll();
        using var last = new CancellationTokenSource(AbortTimeout, clock);
        try
        {
            await IdleAsync(clock, last.Token);
        }
        catch (OperationCanceledException)
        {
            // Engines that do not answer an abort end these requests by their own time-outs.
        }
        await _app.StopAsync(CancellationToken.None);
    }

    private async Task IdleAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        while (Metrics.Active > 0 || Dispatcher.OpenPrefillLegs > 0 || Dispatcher.OpenDecodeLegs > 0)
            await Task.Delay(IdlePoll, clock, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        foreach (var part in _owned)
            await part.DisposeAsync();
        _gone.TrySetResult();
        await _watch;
    }

    /// <summary>
    /// Makes this server the owner of the parts it was started with, and stops it when the control plane fails. A gateway with a
    /// failed control plane would serve an outdated fleet for ever; the process exits instead, and its supervisor restarts it.
    /// </summary>
    /// <param name="died">Completes with the reason when the control plane has failed.</param>
    /// <param name="owned">Disposed with the server, in this order.</param>
    public void Own(Task<Exception> died, params IReadOnlyList<IAsyncDisposable> owned)
    {
        _owned = owned;
        StopOn(died);
    }

    /// <summary>Stops this server when the task completes; its result becomes <see cref="Failure"/>.</summary>
    internal void StopOn(Task<Exception> died) => _watch = Task.WhenAll(_watch, StopWhenDeadAsync(died));

    private async Task StopWhenDeadAsync(Task<Exception> died)
    {
        if (await Task.WhenAny(died, _gone.Task) == died)
        {
            Failure = await died;
            await _app.StopAsync();
        }
    }

    private static IPAddress AddressOf(string host) =>
        IPAddress.TryParse(host.Trim('[', ']'), out var address) ? address : Dns.GetHostAddresses(host)[0];

    private static Uri ListeningUrl(WebApplication app)
    {
        var address = app.Services.GetRequiredService<IServer>(
            ).Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First();
        return new Uri(address.Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)
            .Replace("[::]", "[::1]", StringComparison.Ordinal));
    }
}
