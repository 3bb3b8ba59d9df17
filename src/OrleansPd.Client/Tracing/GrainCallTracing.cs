using System.Diagnostics;

namespace OrleansPd.Client.Tracing;

/// <summary>
/// Spans of grain calls, as children of the caller's span: a service's request or an operator's change. Calls without a parent
/// span (reports, feeds, probes: nearly all) get none; they cost one check.
/// </summary>
public static class GrainCallTracing
{
    /// <summary>Name of the source, for <c>AddSource</c>.</summary>
    public const string Name = "OrleansPd.Cluster";

    internal const string Key = "pd.traceparent";

    internal static ActivitySource Source { get; } = new(Name);

    internal static Activity? Begin(IGrainCallContext call, ActivityKind kind, ActivityContext parent)
    {
        var span = Source.StartActivity($"{call.InterfaceName}/{call.MethodName}", kind, parent);
        span?.SetTag("rpc.system", "orleans").SetTag("rpc.service", call.InterfaceName).SetTag("rpc.method", call.MethodName);
        return span;
    }

    internal static async Task RunAsync(IGrainCallContext call, Activity? span)
    {
        using (span)
        {
            try
            {
                await call.Invoke();
            }
            catch (Exception e)
            {
                span?.SetStatus(ActivityStatusCode.Error, e.GetType().Name);
                throw;
            }
        }
    }
}

/// <summary>Starts a span for an outgoing call and sends its context.</summary>
public sealed class OutgoingCallTracing : IOutgoingGrainCallFilter
{
    public Task Invoke(IOutgoingGrainCallContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (Activity.Current is not { IdFormat: ActivityIdFormat.W3C } current)
            return context.Invoke();
        var span = GrainCallTracing.Begin(context, ActivityKind.Client, current.Context);
        RequestContext.Set(GrainCallTracing.Key, (span ?? current).Id!);
        return GrainCallTracing.RunAsync(context, span);
    }
}

/// <summary>Starts a span for an incoming call with a context.</summary>
public sealed class IncomingCallTracing : IIncomingGrainCallFilter
{
    public Task Invoke(IIncomingGrainCallContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!GrainCallTracing.Source.HasListeners() || RequestContext.Get(GrainCallTracing.Key) is not string id
            || !ActivityContext.TryParse(id, null, isRemote: true, out var parent))
        {
            return context.Invoke();
        }
        return GrainCallTracing.RunAsync(context, GrainCallTracing.Begin(context, ActivityKind.Server, parent));
    }
}
