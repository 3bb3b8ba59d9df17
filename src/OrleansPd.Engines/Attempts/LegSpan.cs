using System.Diagnostics;

namespace OrleansPd.Engines.Attempts;

/// <summary>The span of a leg, under the span of its request.</summary>
internal static class LegSpan
{
    /// <returns>Null without a listener, or where the request was not sampled.</returns>
    public static Activity? Begin(
        ActivitySource source, ActivityContext trace, string path, PairLease lease, LegSide side, int items, int attempt)
    {
        if (trace == default)
            return null;
        var worker = side == LegSide.Prefill ? lease.Prefill! : lease.Decode;
        var name = side == LegSide.Prefill ? "prefill" : lease.IsRegular ? "regular" : "decode";
        var span = source.StartActivity(name, ActivityKind.Client, trace);
        if (span is not { IsAllDataRequested: true })
            return span;
        // AddTag, not SetTag: that searches all tags for the name.
        span.AddTag("http.request.method", "POST").AddTag("url.path", path);
        span.AddTag("server.address", worker.Url.Host).AddTag("server.port", worker.Url.Port);
        span.AddTag("orleanspd.role", name);
        var decode = lease.Decode.Id.Value;
        span.AddTag("orleanspd.pair", lease.Prefill is { } prefill ? string.Concat(prefill.Id.Value, " ", decode) : decode);
        span.AddTag("orleanspd.prefill.rank", SmallNumber.Boxed(lease.PrefillRank));
        span.AddTag("orleanspd.decode.rank", SmallNumber.Boxed(lease.DecodeRank));
        // As text: collectors that store numbers as doubles would change it.
        span.AddTag("orleanspd.room", lease.Room.ToString(CultureInfo.InvariantCulture));
        span.AddTag("orleanspd.items", SmallNumber.Boxed(items)).AddTag("orleanspd.attempt", SmallNumber.Boxed(attempt));
        span.AddTag("orleanspd.epoch", worker.Epoch);
        return span;
    }

    public static void End(Activity? span, LegEnd end)
    {
        if (span is null)
            return;
        if (span.IsAllDataRequested)
        {
            span.AddTag("orleanspd.end", end.Kind.ToString());
            if (end.Status != 0)
                span.AddTag("http.response.status_code", SmallNumber.Boxed(end.Status));
            if (end.IsFailure)
                span.SetStatus(ActivityStatusCode.Error, end.Kind.ToString());
        }
        span.Dispose();
    }

    /// <summary>The headers of a leg, with the trace context for the engine's spans.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>>? Headers(
        ActivityContext trace, Activity? span, IReadOnlyList<KeyValuePair<string, string>>? own)
    {
        if (trace == default)
            return own;
        var context = span?.Context ?? trace;
        var state = context.TraceState is { Length: > 0 } given ? given : null;
        var headers = new KeyValuePair<string, string>[(own?.Count ?? 0) + (state is null ? 1 : 2)];
        var count = 0;
        for (; count < own?.Count; count++)
            headers[count] = own[count];
        headers[count] = new("traceparent", W3C(context));
        if (state is not null)
            headers[count + 1] = new("tracestate", state);
        return headers;
    }

    private static string W3C(in ActivityContext context)
    {
        var flags = (context.TraceFlags & ActivityTraceFlags.Recorded) != 0 ? "-01" : "-00";
        return string.Concat(["00-", context.TraceId.ToHexString(), "-", context.SpanId.ToHexString(), flags]);
    }
}
