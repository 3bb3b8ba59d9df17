using System.Diagnostics;
using System.Globalization;
using OrleansPd.Core.Dispatch;
using OrleansPd.Core.Pairing;

namespace OrleansPd.Engines.Dispatch;

/// <summary>The span of a leg, under the span of its request.</summary>
internal static class LegSpan
{
    /// <returns>Null where nobody listens or the request was not drawn.</returns>
    public static Activity? Begin(ActivityContext trace, string path, PairLease lease, LegSide side, int items, int attempt)
    {
        if (trace == default)
        {
            return null;
        }
        var worker = side == LegSide.Prefill ? lease.Prefill! : lease.Decode;
        var name = side == LegSide.Prefill ? "prefill" : lease.IsRegular ? "regular" : "decode";
        var span = DispatchTelemetry.Source.StartActivity(name, ActivityKind.Client, trace);
        if (span is not { IsAllDataRequested: true })
        {
            return span;
        }
        span.SetTag("http.request.method", "POST").SetTag("url.path", path);
        span.SetTag("server.address", worker.Url.Host).SetTag("server.port", worker.Url.Port);
        span.SetTag("orleanspd.role", name);
        span.SetTag("orleanspd.pair", $"{lease.Prefill?.Id.Value} {lease.Decode.Id.Value}".Trim());
        span.SetTag("orleanspd.prefill.rank", lease.PrefillRank).SetTag("orleanspd.decode.rank", lease.DecodeRank);
        // As text: collectors that hold numbers as doubles would alter it.
        span.SetTag("orleanspd.room", lease.Room.ToString(CultureInfo.InvariantCulture));
        span.SetTag("orleanspd.items", items).SetTag("orleanspd.attempt", attempt);
        span.SetTag("orleanspd.epoch", worker.Epoch);
        return span;
    }

    public static void End(Activity? span, LegEnd end)
    {
        if (span is null)
        {
            return;
        }
        if (span.IsAllDataRequested)
        {
            span.SetTag("orleanspd.end", end.Kind.ToString());
            if (end.Status != 0)
            {
                span.SetTag("http.response.status_code", end.Status);
            }
            if (end.IsFailure)
            {
                span.SetStatus(ActivityStatusCode.Error, end.Kind.ToString());
            }
        }
        span.Dispose();
    }

    /// <summary>The headers of a leg, with the context that the engine's own spans are to be under.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>>? Headers(
        ActivityContext trace, Activity? span, IReadOnlyList<KeyValuePair<string, string>>? own)
    {
        if (trace == default)
        {
            return own;
        }
        var context = span?.Context ?? trace;
        var headers = new List<KeyValuePair<string, string>>((own?.Count ?? 0) + 2);
        headers.AddRange(own ?? []);
        headers.Add(new("traceparent",
            $"00-{context.TraceId}-{context.SpanId}-{((context.TraceFlags & ActivityTraceFlags.Recorded) != 0 ? "01" : "00")}"));
        if (context.TraceState is { Length: > 0 } state)
        {
            headers.Add(new("tracestate", state));
        }
        return headers;
    }
}
