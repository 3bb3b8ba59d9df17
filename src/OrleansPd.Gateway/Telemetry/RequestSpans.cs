using System.Buffers.Binary;
using System.Diagnostics;
using OrleansPd.Engines.Answers;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>
/// Makes the span of a client request, a child of the client's span where it sent a W3C <c>traceparent</c>. Thread-safe.
/// </summary>
/// <param name="telemetry">The source of spans, and the share of requests that are sampled.</param>
/// <param name="seed">Two processes with different seeds mint different trace ids.</param>
internal sealed class RequestSpans(DispatchTelemetry telemetry, ulong seed)
{
    private long _random = (long)seed;

    /// <returns>Null where there is no listener, and where the request is not sampled.</returns>
    public Activity? Start(HttpContext context, string route, string id)
    {
        if (!telemetry.Source.HasListeners())
            return null;
        var headers = context.Request.Headers;
        ActivityContext parent = default;
        var hasParent = headers.TraceParent is { Count: > 0 } given
            && ActivityContext.TryParse(given.ToString(), headers.TraceState.ToString(), isRemote: true, out parent);
        if (telemetry.SampleRatio < 1 && !IsSampled(hasParent, parent))
        {
            if (!hasParent)
            {
                // Engines get the decision not to sample; without it they would sample on their own.
                headers.TraceParent = NotSampled();
                headers.TraceState = default;
            }
            return null;
        }
        // Kestrel's span of the request is not exported: as a parent it would be missing in the trace.
        Activity.Current = null;
        var span = telemetry.Source.StartActivity($"POST {route}", ActivityKind.Server, parent);
        if (span is { IsAllDataRequested: true })
        {
            // AddTag, not SetTag: SetTag searches the name among the tags.
            span.AddTag("http.request.method", context.Request.Method).AddTag("http.route", route);
            span.AddTag("url.path", context.Request.Path.Value);
            if (context.Connection.RemoteIpAddress is { } address)
                span.AddTag("client.address", address.ToString());
            span.AddTag("orleanspd.request.id", id);
        }
        return span;
    }

    public static void End(Activity? span, int status, string reason, string side, IReadOnlyList<DispatchReport>? reports)
    {
        if (span is null)
            return;
        if (span.IsAllDataRequested)
        {
            var attempts = 0;
            for (var i = 0; i < reports?.Count; i++)
                attempts += reports[i].Attempts.Count;
            span.AddTag("http.response.status_code", SmallNumber.Boxed(status));
            span.AddTag("orleanspd.reason", reason).AddTag("orleanspd.side", side);
            span.AddTag("orleanspd.calls", SmallNumber.Boxed(reports?.Count ?? 0));
            span.AddTag("orleanspd.attempts", SmallNumber.Boxed(attempts));
            if (status >= 500 || (reason != "ok" && side is not ("none" or "client")))
                span.SetStatus(ActivityStatusCode.Error, reason);
        }
        span.Dispose();
    }

    private bool IsSampled(bool hasParent, in ActivityContext parent) => hasParent
        ? (parent.TraceFlags & ActivityTraceFlags.Recorded) != 0
        : (NextRandom() >> 11) * (1.0 / (1UL << 53)) < telemetry.SampleRatio;

    /// <summary>New ids for each request: requests that are not sampled are different traces too.</summary>
    private string NotSampled()
    {
        const int TraceAt = 3;
        const int SpanAt = TraceAt + 32 + 1;
        Span<byte> ids = stackalloc byte[24];
        for (var at = 0; at < ids.Length; at += sizeof(ulong))
        {
            // An id of zeros is invalid.
            BinaryPrimitives.WriteUInt64LittleEndian(ids[at..], NextRandom() | 1);
        }
        // One string; ActivityTraceId and ActivitySpanId would make three.
        return string.Create(SpanAt + 16 + 3, (ReadOnlySpan<byte>)ids, static (text, ids) =>
        {
            "00-".CopyTo(text);
            _ = Convert.TryToHexStringLower(ids[..16], text[TraceAt..], out _);
            text[SpanAt - 1] = '-';
            _ = Convert.TryToHexStringLower(ids[16..], text[SpanAt..], out _);
            "-00".CopyTo(text[^3..]);
        });
    }

    /// <summary>
    /// SplitMix64: a seeded <see cref="Random"/> is not thread-safe, and a lock would be taken by every request.
    /// </summary>
    private ulong NextRandom()
    {
        var z = (ulong)Interlocked.Add(ref _random, unchecked((long)0x9E3779B97F4A7C15));
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
