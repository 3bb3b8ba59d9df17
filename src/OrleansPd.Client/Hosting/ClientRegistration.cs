using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using OrleansPd.Client.Routing;
using OrleansPd.Client.Tracing;

namespace OrleansPd.Client.Hosting;

/// <summary>Registers <see cref="PdClient"/> in a .NET service.</summary>
public static class ClientRegistration
{
    /// <summary>
    /// Adds <see cref="PdClient"/>. The service must also be a client of the cluster (<c>UseOrleansClient</c> with the cluster's
    /// membership, cluster id and service id), or a silo of it.
    /// </summary>
    public static IHostApplicationBuilder AddOrleansPdClient(this IHostApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IOutgoingGrainCallFilter, OutgoingCallTracing>());
        builder.Services.AddSingleton(provider =>
            new PdClient(provider.GetRequiredService<IGrainFactory>(), provider.GetRequiredService<TimeProvider>()));
        return builder;
    }
}
