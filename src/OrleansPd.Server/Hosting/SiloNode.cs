using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Runtime.MembershipService.SiloMetadata;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Cluster.Hosting;
using OrleansPd.Engines.Probes;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Net.Http1;

namespace OrleansPd.Server.Hosting;

/// <summary>
/// One node of a cluster: a silo and the gateway in it. The gateway listens first, so that liveness checks succeed while the silo
/// joins; at the end the gateway drains first, and then the silo leaves.
/// </summary>
internal sealed class SiloNode : IAsyncDisposable
{
    private const string GatewayUpstream = "gateway";
    private readonly IHost _host;
    private readonly GatewayServer _gateway;
    private readonly ClusterControlPlane _plane;

    private SiloNode(IHost host, GatewayServer gateway, ClusterControlPlane plane, IPEndPoint silo, IPEndPoint services)
    {
        (_host, _gateway, _plane, Silo, Services) = (host, gateway, plane, silo, services);
    }

    public Uri Url => _gateway.Url;
    public IPEndPoint Silo { get; }

    /// <summary>The address for .NET services: Orleans' gateway.</summary>
    public IPEndPoint Services { get; }

    /// <summary>Why its gateway cannot serve now; null = it can.</summary>
    public string? WhyNotReady => _plane.Fleet.WhyNotReady;

    /// <summary>Starts the gateway and joins the cluster.</summary>
    /// <param name="settings">Its settings; port 0 means any free port.</param>
    /// <param name="backend">Membership, storage and reminders of the cluster.</param>
    /// <param name="logging">The log of both.</param>
    /// <param name="error">Receives the reason when the silo must end.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="CommandFailedException">A port is taken, or the cluster cannot be joined.</exception>
    public static async Task<SiloNode> StartAsync(
        SiloSettings settings, IBackend backend, Action<ILoggingBuilder> logging, TextWriter error,
        CancellationToken cancellationToken)
    {
        var node = settings.Node;
        var any = backend.Address.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        var listen = node.Advertise is null ? backend.Address : any;
        node.SiloPort = FreePorts.Claim(listen, node.SiloPort, "--silo-port");
        node.GatewayPort = FreePorts.Claim(listen, node.GatewayPort, "--gateway-port");
        var silo = new IPEndPoint(backend.Address, node.SiloPort);
        var host = Build(settings, backend, logging, error);
        GatewayServer? gateway = null;
        try
        {
            var plane = host.Services.GetRequiredService<ClusterControlPlane>();
            var upstream = host.Services.GetRequiredKeyedService<IUpstream>(GatewayUpstream);
            gateway = await ListenAsync(settings.Gateway, plane, upstream, logging, cancellationToken);
            await backend.JoinAsync(silo, cancellationToken);
            await host.StartAsync(cancellationToken);
            return new SiloNode(host, gateway, plane, silo, new IPEndPoint(backend.Address, node.GatewayPort));
        }
        catch (Exception failure)
        {
            if (gateway is not null)
                await gateway.DisposeAsync();
            await DisposeAsync(host);
            if (failure is CommandFailedException || cancellationToken.IsCancellationRequested)
                throw;
            var taken = ListenFailure.Explain(
                failure, backend.Address.ToString(), (node.SiloPort, "--silo-port"), (node.GatewayPort, "--gateway-port"));
            throw taken
                ?? new CommandFailedException($"the silo cannot join its cluster: {Innermost(failure).Message}");
        }
    }

    /// <summary>Completes when the gateway, the control plane or the silo ended unexpectedly; the sentence says why.</summary>
    public async Task<string> EndedAsync()
    {
        var left = _host.WaitForShutdownAsync();
        var first = await Task.WhenAny(_plane.Died, _gateway.Completion, left);
        return first == _plane.Died ? $"the control plane stopped: {(await _plane.Died).Message}"
            : first == left ? "the silo stopped; its log says why"
            : $"the gateway stopped: {_gateway.Failure?.Message ?? "its log says why"}";
    }

    /// <summary>Drains the gateway within its grace period, then leaves the cluster.</summary>
    public async Task StopAsync()
    {
        await DrainAsync();
        await LeaveAsync();
    }

    /// <summary>Drains and stops the gateway within its grace period; the silo keeps running.</summary>
    public Task DrainAsync() => _gateway.StopAsync();

    public Task LeaveAsync() => _host.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await DisposeAsync(_host);
    }

    private static IHost Build(SiloSettings settings, IBackend backend, Action<ILoggingBuilder> logging, TextWriter error)
    {
        var node = settings.Node;
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "orleanspd" });
        logging(builder.Logging);
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddSingleton<IFatalErrorHandler>(new FatalErrors(error));
        builder.UseOrleans(silo =>
        {
            silo.Configure<Orleans.Configuration.ClusterOptions>(options =>
            {
                options.ClusterId = node.ClusterId;
                options.ServiceId = node.ServiceId;
            });
            // --advertise may name an address that this machine does not have, such as that of a container's host.
            silo.ConfigureEndpoints(
                backend.Address, node.SiloPort, node.GatewayPort, listenOnAnyHostAddress: node.Advertise is not null);
            silo.Configure<ClusterMembershipOptions>(node.ApplyTo);
            silo.UseSiloMetadata(new Dictionary<string, string> { ["node"] = node.Node, ["zone"] = node.Zone });
            // Probes use the gateway's transport and certificates. Grains may block, so they use the reference client.
            silo.Services.AddKeyedSingleton(GatewayUpstream, (_, _) => EngineClient.Of(settings.Gateway));
            silo.Services.AddSingleton<IEngineProbe>(provider => new EngineProbe(
                settings.Gateway.ControlPlane, provider.GetRequiredKeyedService<IUpstream>(
                    GatewayUpstream), TimeProvider.System));
            silo.Services.AddSingleton(_ => EngineClient.Reference(settings.Gateway));
            silo.AddOrleansPd(settings.Gateway.ControlPlane, settings.Cluster);
            backend.AddTo(silo, node);
        });
        return builder.Build();
    }

    private static async Task<GatewayServer> ListenAsync(
        OrleansPd.Gateway.Options.GatewayOptions options, ClusterControlPlane plane, IUpstream upstream,
        Action<ILoggingBuilder> logging,
        CancellationToken cancellationToken)
    {
        try
        {
            return await GatewayServer.StartAsync(
                options, plane, logging, upstream: upstream, cancellationToken: cancellationToken);
        }
        catch (Exception error) when (ListenFailure.Explain(error, options.Host, (options.Port, "--port")) is { } explained)
        {
            throw explained;
        }
    }

    private static Exception Innermost(Exception error) => error.InnerException is { } inner ? Innermost(inner) : error;

    private static async ValueTask DisposeAsync(IHost host)
    {
        if (host is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
        else
            host.Dispose();
    }
}
