using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Gateway.Generation;
using OrleansPd.Gateway.Management;
using OrleansPd.Gateway.Observing;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Hosting;

/// <summary>The parts of a gateway and the order of its middleware.</summary>
public static class GatewayServices
{
    /// <summary>Adds everything between the HTTP surface and the engines.</summary>
    /// <param name="upstream">How engines are reached; null = as the options say.</param>
    public static IServiceCollection AddPd(
        this IServiceCollection services, GatewayOptions options, IControlPlane controlPlane, TimeProvider clock,
        IUpstream? upstream = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        // Process id and start time: two runs of a gateway, and two gateways, mint different ids.
        var seed = HashCode.Combine(Environment.ProcessId, clock.GetUtcNow().Ticks);
        services.AddSingleton(options).AddSingleton(controlPlane).AddSingleton(clock);
        services.AddUpstream(options, upstream);
        services.AddDispatch(options, (uint)seed);
        services.AddSecurity(options);
        services.AddObserving((ulong)seed);
        services.AddEngineRoutes();
        services.AddTooling();
        if (controlPlane is IFleetAdmin admin)
            services.AddManagement(admin);
        return services;
    }

    /// <summary>Checks the keys of clients, where some are configured. Comes before the routes.</summary>
    public static IApplicationBuilder UsePd(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var authentication = app.ApplicationServices.GetRequiredService<ClientAuthentication>();
        return app.Use(next => context => authentication.InvokeAsync(context, next));
    }

    /// <summary>Maps the routes of the gateway. Without <see cref="UsePd"/> before it no key is checked.</summary>
    /// <exception cref="InvalidOperationException"><see cref="AddPd"/> was not called.</exception>
    public static IEndpointRouteBuilder MapPd(this IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        _ = routes.ServiceProvider.GetRequiredService<GatewayOptions>();
        foreach (var endpoints in routes.ServiceProvider.GetServices<IEndpoints>())
            endpoints.Map(routes);
        return routes;
    }

    private static void AddUpstream(this IServiceCollection services, GatewayOptions options, IUpstream? upstream)
    {
        if (upstream is not null)
        {
            services.AddSingleton(upstream);
            return;
        }
        // Made here, so that a certificate that cannot be read is reported before anything listens. Registered by a factory, so
        // that the container disposes it.
        var made = EngineClient.Of(options);
        services.AddSingleton(_ => made);
    }

    private static void AddDispatch(this IServiceCollection services, GatewayOptions options, uint seed) => services
        .AddSingleton(new DispatchOptions
        {
            DecodeAbortDelay = TimeSpan.FromMilliseconds(options.DecodeAbortDelayMs),
            FirstOutputTimeout = TimeSpan.FromSeconds(options.FirstOutputTimeoutSecs),
            MaxRetries = options.RetryMaxRetries,
            RequestTimeout = TimeSpan.FromSeconds(options.RequestTimeoutSecs),
            ResumeStreams = options.ResumeStreams,
            StreamIdleTimeout = TimeSpan.FromSeconds(options.StreamIdleTimeoutSecs),
        })
        .AddSingleton(new RidSource(seed))
        .AddSingleton<LiveRids>()
        .AddMetrics()
        .AddSingleton(provider => new DispatchTelemetry(
            provider.GetRequiredService<IMeterFactory>(), options.EnableTrace ? options.TraceSampleRatio : 1))
        .AddSingleton<RequestDispatcher>();

    private static void AddSecurity(this IServiceCollection services, GatewayOptions options) => services
        .AddSingleton(new WorkerAllowList(options.WorkerUrlAllow))
        .AddSingleton<KeyRing>()
        .AddSingleton<ClientAuthentication>()
        .AddSingleton<AdminAuthentication>();

    private static void AddObserving(this IServiceCollection services, ulong seed) => services
        .AddSingleton(new RequestLog())
        .AddSingleton(provider => new RequestSpans(provider.GetRequiredService<DispatchTelemetry>(), seed))
        .AddSingleton<GatewayMetrics>()
        .AddSingleton<GatewayLifetime>()
        .AddSingleton<IEndpoints, HealthEndpoints>()
        .AddSingleton<IEndpoints, InfoEndpoints>()
        .AddSingleton<IEndpoints, MetricsEndpoints>()
        .AddSingleton<IEndpoints, DebugEndpoints>();

    private static void AddEngineRoutes(this IServiceCollection services) => services
        .AddSingleton<ModelNames>()
        .AddSingleton<RequestIds>()
        .AddSingleton<RequestPipeline>()
        .AddSingleton<IEndpoints, GenerationEndpoints>()
        .AddSingleton<IEndpoints, RegularEndpoints>()
        .AddSingleton<IEndpoints, UnsupportedEndpoints>();

    /// <summary>
    /// What SGLang's tools call on a router: control calls to all engines, their loads, rooms and <c>/route_pd</c>.
    /// </summary>
    private static void AddTooling(this IServiceCollection services) => services
        .AddSingleton<EngineBroadcast>()
        .AddSingleton<AdapterWatch>()
        .AddSingleton<RoutedPairs>()
        .AddSingleton<IEndpoints, ControlEndpoints>()
        .AddSingleton<IEndpoints, LoadEndpoints>()
        .AddSingleton<IEndpoints, PairEndpoints>()
        .AddSingleton<IEndpoints, RoomEndpoints>();

    /// <summary>The management API, for control planes whose fleet can be changed.</summary>
    private static void AddManagement(this IServiceCollection services, IFleetAdmin admin) => services
        .AddSingleton(admin)
        .AddSingleton<IEndpoints, WorkerEndpoints>()
        .AddSingleton<IEndpoints, PoolEndpoints>()
        .AddSingleton<IEndpoints, LegacyWorkerEndpoints>();
}
