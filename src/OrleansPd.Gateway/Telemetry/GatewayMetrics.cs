using System.Diagnostics.Metrics;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>
/// Counts requests and attempts. Interlocked adds, so that a request costs a few nanoseconds here. Labels are bounded (route,
/// reason, side): never an address, a room or a request id.
/// </summary>
public sealed class GatewayMetrics
{
    private readonly MetricSet _metrics;
    private readonly ConcurrentDictionary<(string Route, string Reason, string Side), StrongBox<long>> _requests = new();
    private readonly ConcurrentDictionary<(string Reason, string Side), StrongBox<long>> _failedAttempts = new();
    private readonly long[] _routed = new long[Enum.GetValues<RouteReason>().Length];
    private readonly TimeHistogram _firstContent;
    private readonly TimeHistogram _duration;
    private int _active;

    public GatewayMetrics(DispatchTelemetry telemetry)
    {
        ArgumentNullException.ThrowIfNull(telemetry);
        _metrics = telemetry.Metrics;
        _metrics.Counter("orleanspd_gateway_requests_total",
            "Requests that ended, by route, reason (ok is success) and the side to blame.",
            () => _requests.OrderBy(r => r.Key).Select(r => new Measurement<long>(
                Interlocked.Read(ref r.Value.Value), Tag("route", r.Key.Route), Tag("reason", r.Key.Reason),
                Tag("side", r.Key.Side))));
        _metrics.Counter("orleanspd_gateway_failed_attempts_total",
            "Attempts that failed, retried ones included, by reason and the side to blame.",
            () => _failedAttempts.OrderBy(r => r.Key).Select(r => new Measurement<long>(
                Interlocked.Read(ref r.Value.Value), Tag("reason", r.Key.Reason), Tag("side", r.Key.Side))));
        _metrics.Counter("orleanspd_gateway_routed_total", "Attempts by where they went (pd, regular) and why.",
            () => Enum.GetValues<RouteReason>().Select(reason => new Measurement<long>(
                Count(reason), Tag("route", reason is RouteReason.Pair or RouteReason.RegularBusy ? "pd" : "regular"),
                Tag("reason", WireName.Of(reason)))));
        _metrics.Gauge("orleanspd_gateway_active_requests", "Requests whose answer is not complete.", "{request}", () => Active);
        _firstContent = _metrics.Seconds("orleanspd_gateway_first_content_seconds", "orleanspd.gateway.first_content",
            "From the request to the first event with content (time to first token).",
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300);
        _duration = _metrics.Seconds("orleanspd_gateway_request_duration_seconds", "orleanspd.gateway.request.duration",
            "From the request to the last byte of the answer.",
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800);
    }

    /// <summary>Requests whose answer is not complete.</summary>
    public int Active => Volatile.Read(ref _active);

    public void Started() => Interlocked.Increment(ref _active);

    /// <param name="route">Path of the route.</param>
    /// <param name="reason">Bounded word; <c>ok</c> is success.</param>
    /// <param name="side">The side at fault: <c>none</c>, <c>client</c>, <c>prefill</c>, <c>decode</c>, <c>gateway</c>.</param>
    /// <param name="duration">From the request to the last byte of the answer.</param>
    public void Ended(string route, string reason, string side, TimeSpan duration)
    {
        Interlocked.Increment(ref _requests.GetOrAdd((route, reason, side), static _ => new StrongBox<long>()).Value);
        _duration.Record(duration.TotalSeconds, 1, Tag("route", route), Tag("reason", reason), Tag("side", side));
        // Last: a gateway without active requests has counted all of them.
        Interlocked.Decrement(ref _active);
    }

    /// <summary>The first event with content was sent (a role alone is none), or the whole plain answer.</summary>
    public void HadContent(TimeSpan after) => _firstContent.Record(after.TotalSeconds);

    /// <summary>An attempt went to a pair or to a regular worker.</summary>
    public void Routed(RouteReason reason) => Interlocked.Increment(ref _routed[(int)reason]);

    /// <summary>An attempt failed, whether or not it is retried.</summary>
    public void Failed(Verdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        Interlocked.Increment(
            ref _failedAttempts.GetOrAdd((verdict.Reason, WireName.Of(verdict.Blame)), static _ => new StrongBox<long>()).Value);
    }

    /// <summary>Attempts that were routed for this reason.</summary>
    public long Count(RouteReason reason) => Interlocked.Read(ref _routed[(int)reason]);

    /// <summary>Requests that ended with this reason, on all routes.</summary>
    public long Count(string reason) =>
        _requests.Where(r => r.Key.Reason == reason).Sum(r => Interlocked.Read(ref r.Value.Value));

    /// <summary>Writes the declared metrics of this gateway in the Prometheus text format 0.0.4.</summary>
    public void Write(StringBuilder output)
    {
        ArgumentNullException.ThrowIfNull(output);
        Write(new PromText(output));
    }

    internal void Write(PromText text)
    {
        foreach (var family in _metrics.Families)
            text.Write(family);
    }

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
