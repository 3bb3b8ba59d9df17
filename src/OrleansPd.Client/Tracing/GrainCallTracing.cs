using System.Diagnostics;

namespace OrleansPd.Client.Tracing;

/// <summary>
/// Spans of grain calls, under the span of whatever makes them: a request of a service, an operator's wish. Calls that nobody's
/// span is around (reports, feeds, probes: nearly all) have none and cost one look.
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

/// <summary>Begins a span for a call that leaves, and sends its context along.</summary>
public sealed class OutgoingCallTracing : IOutgoingGrainCallFilter
{
    public Task Invoke(IOutgoingGrainCallContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (Activity.Current is not { IdFormat: ActivityIdFormat.W3C } current)
        {
            return context.Invoke();
        }
        var span = GrainCallTracing.Begin(context, ActivityKind.Client, current.Context);
        RequestContext.Set(GrainCallTracing.Key, (span ?? current).Id!);
        return GrainCallTracing.RunAsync(context, span);
    }
}

/// <summary>Begins a span for a call that arrives with a context.</summary>
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
