using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>The span of one client request, under the client's own where it sent one (W3C <c>traceparent</c>).</summary>
internal static class RequestSpan
{
    /// <returns>Null where nobody listens, and where the request was not drawn.</returns>
    public static Activity? Start(DispatchTelemetry telemetry, HttpContext context, string route, string id)
    {
        if (!telemetry.Source.HasListeners())
        {
            return null;
        }
        var headers = context.Request.Headers;
        ActivityContext parent = default;
        var hasParent = headers.TraceParent is { Count: > 0 } told
            && ActivityContext.TryParse(told.ToString(), headers.TraceState.ToString(), isRemote: true, out parent);
        if (telemetry.SampleRatio < 1 && !IsSampled(telemetry.SampleRatio, hasParent, parent))
        {
            if (!hasParent)
            {
                // Engines that trace are told that this one was not drawn; else they would draw for themselves.
                headers.TraceParent = NotSampled();
                headers.TraceState = default;
            }
            return null;
        }
        // The web server's own span of the request is not exported: as a parent it would be one that nobody ever sees.
        Activity.Current = null;
        var span = telemetry.Source.StartActivity($"POST {route}", ActivityKind.Server, parent);
        if (span is { IsAllDataRequested: true })
        {
            // Added, not set: setting looks for the name among all that are there.
            span.AddTag("http.request.method", context.Request.Method).AddTag("http.route", route);
            span.AddTag("url.path", context.Request.Path.Value);
            if (context.Connection.RemoteIpAddress is { } address)
            {
                span.AddTag("client.address", address.ToString());
            }
            span.AddTag("orleanspd.request.id", id);
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
            var attempts = 0;
            for (var i = 0; i < reports?.Count; i++)
            {
                attempts += reports[i].Attempts.Count;
            }
            span.AddTag("http.response.status_code", SmallNumber.Boxed(status));
            span.AddTag("orleanspd.reason", reason).AddTag("orleanspd.side", side);
            span.AddTag("orleanspd.calls", SmallNumber.Boxed(reports?.Count ?? 0));
            span.AddTag("orleanspd.attempts", SmallNumber.Boxed(attempts));
            if (status >= 500 || (reason != "ok" && side is not ("none" or "client")))
            {
                span.SetStatus(ActivityStatusCode.Error, reason);
            }
        }
        span.Dispose();
    }

    private static bool IsSampled(double ratio, bool hasParent, in ActivityContext parent) => hasParent
        ? (parent.TraceFlags & ActivityTraceFlags.Recorded) != 0
        : Random.Shared.NextDouble() < ratio;

    /// <summary>A context of its own for each request, as two that were not drawn are not one.</summary>
    private static string NotSampled()
    {
        const int TraceDigits = 32;
        const int TraceAt = 3;
        const int SpanAt = TraceAt + TraceDigits + 1;
        Span<byte> ids = stackalloc byte[24];
        Random.Shared.NextBytes(ids);
        // One string where the ids' own types would make three.
        return string.Create(SpanAt + 16 + 3, (ReadOnlySpan<byte>)ids, static (text, ids) =>
        {
            "00-".CopyTo(text);
            _ = Convert.TryToHexStringLower(ids[..16], text[TraceAt..], out _);
            text[SpanAt - 1] = '-';
            _ = Convert.TryToHexStringLower(ids[16..], text[SpanAt..], out _);
            "-00".CopyTo(text[^3..]);
        });
    }
}
