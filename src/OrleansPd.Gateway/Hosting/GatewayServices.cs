using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OrleansPd.Core.Admin;
using OrleansPd.Core.States;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Generation;
using OrleansPd.Gateway.Management;
using OrleansPd.Gateway.Observing;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Wire;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Hosting;

/// <summary>Puts the parts of a gateway together.</summary>
public static class GatewayServices
{
    /// <summary>The parts between the HTTP surface and the engines.</summary>
    public static IServiceCollection AddPd(
        this IServiceCollection services, GatewayOptions options, IControlPlane controlPlane, TimeProvider clock,
        IUpstream? upstream = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        services.AddSingleton(options);
        services.AddSingleton(controlPlane);
        if (controlPlane is IFleetAdmin admin)
        {
            services.AddSingleton(admin);
        }
        services.AddSingleton(clock);
        if (upstream is not null)
        {
            services.AddSingleton(upstream);
        }
        else
        {
            // Made now, so that a file that cannot be read is said before anything listens; given by the container, which
            // disposes it.
            var own = EngineClient.Of(options);
            services.AddSingleton(_ => own);
        }
        services.AddSingleton(new DispatchOptions
        {
            DecodeAbortDelay = TimeSpan.FromMilliseconds(options.DecodeAbortDelayMs),
            FirstOutputTimeout = TimeSpan.FromSeconds(options.FirstOutputTimeoutSecs),
            MaxRetries = options.RetryMaxRetries,
            RequestTimeout = TimeSpan.FromSeconds(options.RequestTimeoutSecs),
            ResumeStreams = options.ResumeStreams,
            StreamIdleTimeout = TimeSpan.FromSeconds(options.StreamIdleTimeoutSecs),
        });
        // Process id and start time: two lives of a gateway, or two gateways, do not mint the same ids.
        services.AddSingleton(new RidSource((uint)HashCode.Combine(Environment.ProcessId, clock.GetUtcNow().Ticks)));
        services.AddSingleton<LiveRids>();
        services.AddSingleton(provider => new DispatchTelemetry(
            provider.GetService<IMeterFactory>(), options.EnableTrace ? options.TraceSampleRatio : 1));
        services.AddSingleton<RequestDispatcher>();
        services.AddSingleton<GatewayMetrics>();
        services.AddSingleton(new RequestLog());
        services.AddSingleton<GatewayLifetime>();
        services.AddSingleton<ModelNames>();
        services.AddSingleton<RequestIds>();
        services.AddSingleton<RequestPipeline>();
        services.AddSingleton<GenerationEndpoints>();
        services.AddSingleton<RegularEndpoints>();
        services.AddSingleton<InfoEndpoints>();
        services.AddSingleton<HealthEndpoints>();
        services.AddSingleton<MetricsEndpoint>();
        services.AddSingleton<DebugEndpoints>();
        services.AddSingleton<OtherRoutes>();
        services.AddSingleton<RoomEndpoints>();
        services.AddSingleton<PairRoutes>();
        services.AddSingleton<KeyRing>();
        services.AddSingleton<ClientAuthentication>();
        services.AddSingleton<AdminAuthentication>();
        services.AddSingleton(new WorkerAllowList(options.WorkerUrlAllow));
        services.AddSingleton<EngineBroadcast>();
        return services;
    }

    /// <summary>Asks for keys, where some are set. Comes before the routes.</summary>
    public static IApplicationBuilder UsePd(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var gate = app.ApplicationServices.GetRequiredService<ClientAuthentication>();
        return app.Use(next => context => gate.InvokeAsync(context, next));
    }

    /// <summary>The routes of the gateway. <see cref="UsePd"/> must have been called, or no key is asked for.</summary>
    /// <exception cref="InvalidOperationException"><see cref="AddPd"/> was not called.</exception>
    public static IEndpointRouteBuilder MapPd(this IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        var services = routes.ServiceProvider;
        services.GetRequiredService<GenerationEndpoints>().Map(routes);
        services.GetRequiredService<InfoEndpoints>().Map(routes);
        services.GetRequiredService<HealthEndpoints>().Map(routes);
        services.GetRequiredService<MetricsEndpoint>().Map(routes);
        services.GetRequiredService<DebugEndpoints>().Map(routes);
        services.GetRequiredService<RegularEndpoints>().Map(routes);
        services.GetRequiredService<OtherRoutes>().Map(routes);
        services.GetRequiredService<RoomEndpoints>().Map(routes);
        routes.MapPdTooling();
        if (services.GetService<IFleetAdmin>() is not null)
        {
            routes.MapPdManagement();
        }
        return routes;
    }
}
