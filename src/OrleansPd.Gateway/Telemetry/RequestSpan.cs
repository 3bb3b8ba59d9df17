using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Dispatch;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>The span of one client request, under the client's own where it sent one (W3C <c>traceparent</c>).</summary>
internal static class RequestSpan
{
    /// <returns>Null where nobody listens, and where the request was not drawn.</returns>
    public static Activity? Start(HttpContext context, string route)
    {
        if (!DispatchTelemetry.Source.HasListeners())
        {
            return null;
        }
        var headers = context.Request.Headers;
        var hasParent = ActivityContext.TryParse(headers.TraceParent.ToString(), headers.TraceState.ToString(), isRemote: true, out var parent);
        if (DispatchTelemetry.SampleRatio < 1 && !(hasParent ? (parent.TraceFlags & ActivityTraceFlags.Recorded) != 0 : Random.Shared.NextDouble() < DispatchTelemetry.SampleRatio))
        {
            if (!hasParent)
            {
                // Engines that trace are told that this one was not drawn; else they would draw for themselves.
                headers.TraceParent = $"00-{ActivityTraceId.CreateRandom()}-{ActivitySpanId.CreateRandom()}-00";
                headers.TraceState = default;
            }
            return null;
        }
        // The web server's own span of the request is not exported: as a parent it would be one that nobody ever sees.
        Activity.Current = null;
        var span = DispatchTelemetry.Source.StartActivity($"POST {route}", ActivityKind.Server, parent);
        if (span is { IsAllDataRequested: true })
        {
            span.SetTag("http.request.method", context.Request.Method).SetTag("http.route", route);
            span.SetTag("url.path", context.Request.Path.Value).SetTag("client.address", context.Connection.RemoteIpAddress?.ToString());
        }
        return span;
    }

    public static void End(Activity? span, int status, string reason, string side, IReadOnlyList<DispatchReport>? reports)
    {
        if (span is null)
        {
            return;
        }
        if (span.IsAllDataRequested)
        {
            span.SetTag("http.response.status_code", status).SetTag("orleanspd.reason", reason).SetTag("orleanspd.side", side);
            span.SetTag("orleanspd.calls", reports?.Count ?? 0).SetTag("orleanspd.attempts", reports?.Sum(r => r.Attempts.Count) ?? 0);
            if (status >= 500 || (reason != "ok" && side is not ("none" or "client")))
            {
                span.SetStatus(ActivityStatusCode.Error, reason);
            }
        }
        span.Dispose();
    }
}
