using System.Diagnostics;
using System.Globalization;
using OrleansPd.Core.Dispatch;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Pairing;

namespace OrleansPd.Engines.Dispatch;

internal sealed partial class Attempt
{
    /// <summary>A span for a leg; null where nobody listens or the request was not drawn.</summary>
    private Activity? BeginSpan(LegSide side, WorkerSnapshot worker)
    {
        if (_call.Trace == default)
        {
            return null;
        }
        var name = side == LegSide.Prefill ? "prefill" : _lease.IsRegular ? "regular" : "decode";
        var span = DispatchTelemetry.Source.StartActivity(name, ActivityKind.Client, _call.Trace);
        if (span is not { IsAllDataRequested: true })
        {
            return span;
        }
        span.SetTag("http.request.method", "POST").SetTag("url.path", _call.Path);
        span.SetTag("server.address", worker.Url.Host).SetTag("server.port", worker.Url.Port);
        span.SetTag("orleanspd.role", name);
        span.SetTag("orleanspd.pair", $"{_lease.Prefill?.Id.Value} {_lease.Decode.Id.Value}".Trim());
        span.SetTag("orleanspd.prefill.rank", _lease.PrefillRank).SetTag("orleanspd.decode.rank", _lease.DecodeRank);
        // As text: collectors that hold numbers as doubles would alter it.
        span.SetTag("orleanspd.room", _lease.Room.ToString(CultureInfo.InvariantCulture));
        span.SetTag("orleanspd.items", _call.Items).SetTag("orleanspd.attempt", _report.Number);
        span.SetTag("orleanspd.epoch", worker.Epoch);
        return span;
    }

    private void EndSpan(Activity? span, LegEnd end)
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
    private IReadOnlyList<KeyValuePair<string, string>>? HeadersFor(Activity? span)
    {
        if (_call.Trace == default)
        {
            return _call.Headers;
        }
        var context = span?.Context ?? _call.Trace;
        var headers = new List<KeyValuePair<string, string>>((_call.Headers?.Count ?? 0) + 2);
        headers.AddRange(_call.Headers ?? []);
        headers.Add(new("traceparent",
            $"00-{context.TraceId}-{context.SpanId}-{((context.TraceFlags & ActivityTraceFlags.Recorded) != 0 ? "01" : "00")}"));
        if (context.TraceState is { Length: > 0 } state)
        {
            headers.Add(new("tracestate", state));
        }
        return headers;
    }
}
