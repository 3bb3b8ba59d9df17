using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>
/// What the gateway counts. Fields and interlocked adds, so that a request costs a few nanoseconds here, and the same figures as
/// instruments of <see cref="DispatchTelemetry.Meter"/> for whoever listens there. Labels are bounded (route, reason, side):
/// never an address, a room or a request id.
/// </summary>
public sealed class GatewayMetrics
{
    private readonly ConcurrentDictionary<(string Route, string Reason, string Side), StrongBox> _requests = new();
    private readonly ConcurrentDictionary<(string Reason, string Side), StrongBox> _failedAttempts = new();
    private readonly long[] _routed = new long[Enum.GetValues<RouteReason>().Length];
    private readonly UpDownCounter<int> _activeNow;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _firstContent;
    private int _active;

    public GatewayMetrics(DispatchTelemetry telemetry)
    {
        ArgumentNullException.ThrowIfNull(telemetry);
        _activeNow = telemetry.Meter.CreateUpDownCounter<int>(
            "orleanspd.gateway.active_requests", "{request}", "Requests whose answer is not complete");
        _duration = telemetry.Meter.CreateHistogram<double>(
            "orleanspd.gateway.request.duration", "s", "From the request to the last byte of the answer");
        _firstContent = telemetry.Meter.CreateHistogram<double>(
            "orleanspd.gateway.first_content", "s", "From the request to the first event with content");
    }

    /// <summary>
    /// From the request to the first event with content (a role alone is none), or to the whole plain answer, in seconds.
    /// </summary>
    public TimeBuckets FirstContent { get; } = new(
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300);

    /// <summary>From the request to the last byte, in seconds.</summary>
    public TimeBuckets Duration { get; } = new(
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800);

    /// <summary>Requests whose answer is not complete.</summary>
    public int Active => Volatile.Read(ref _active);

    public void Started()
    {
        Interlocked.Increment(ref _active);
        _activeNow.Add(1);
    }

    /// <param name="reason">Bounded word; <c>ok</c> is success.</param>
    /// <param name="side">Who is to blame: <c>none</c>, <c>client</c>, <c>prefill</c>, <c>decode</c>, <c>gateway</c>.</param>
    public void Ended(string route, string reason, string side, TimeSpan duration)
    {
        Interlocked.Increment(ref _requests.GetOrAdd((route, reason, side), static _ => new StrongBox()).Value);
        Duration.Record(duration.TotalSeconds);
        if (_duration.Enabled)
        {
            _duration.Record(duration.TotalSeconds, new("route", route), new("reason", reason), new("side", side));
        }
        // Last: a gateway without active requests has counted all of them.
        Interlocked.Decrement(ref _active);
        _activeNow.Add(-1);
    }

    public void HadContent(TimeSpan after)
    {
        FirstContent.Record(after.TotalSeconds);
        _firstContent.Record(after.TotalSeconds);
    }

    /// <summary>An attempt went to a pair or to a regular worker.</summary>
    public void Routed(RouteReason reason) => Interlocked.Increment(ref _routed[(int)reason]);

    /// <summary>An attempt failed, whether or not another followed.</summary>
    public void Failed(Verdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        Interlocked.Increment(
            ref _failedAttempts.GetOrAdd((verdict.Reason, WireName.Of(verdict.Blame)), static _ => new StrongBox()).Value);
    }

    /// <summary>Attempts that went where they did for this reason.</summary>
    public long Count(RouteReason reason) => Interlocked.Read(ref _routed[(int)reason]);

    /// <summary>Requests that ended with this reason, on all routes.</summary>
    public long Count(string reason) =>
        _requests.Where(r => r.Key.Reason == reason).Sum(r => Interlocked.Read(ref r.Value.Value));

    /// <summary>Writes the counters in the Prometheus text format 0.0.4.</summary>
    public void Write(System.Text.StringBuilder output)
    {
        ArgumentNullException.ThrowIfNull(output);
        Write(new PromText(output));
    }

    internal void Write(PromText text)
    {
        text.Family("orleanspd_gateway_requests_total", "counter",
            "Requests that ended, by route, reason (ok is success) and the side to blame.");
        foreach (var (key, value) in _requests.OrderBy(r => r.Key))
        {
            text.Sample(Interlocked.Read(ref value.Value), $"route=\"{key.Route}\",reason=\"{key.Reason}\",side=\"{key.Side}\"");
        }
        text.Family("orleanspd_gateway_failed_attempts_total", "counter",
            "Attempts that failed, retried ones included, by reason and the side to blame.");
        foreach (var (key, value) in _failedAttempts.OrderBy(r => r.Key))
        {
            text.Sample(Interlocked.Read(ref value.Value), $"reason=\"{key.Reason}\",side=\"{key.Side}\"");
        }
        text.Family("orleanspd_gateway_routed_total", "counter", "Attempts by where they went (pd, regular) and why.");
        foreach (var reason in Enum.GetValues<RouteReason>())
        {
            var route = reason is RouteReason.Pair or RouteReason.RegularBusy ? "pd" : "regular";
            text.Sample(Count(reason), $"route=\"{route}\",reason=\"{WireName.Of(reason)}\"");
        }
        text.Gauge("orleanspd_gateway_active_requests", "Requests whose answer is not complete.", Active);
        text.Buckets("orleanspd_gateway_first_content_seconds",
            "From the request to the first event with content (time to first token).", FirstContent);
        text.Buckets("orleanspd_gateway_request_duration_seconds", "From the request to the last byte of the answer.", Duration);
    }

    private sealed class StrongBox
    {
        public long Value;
    }
}
