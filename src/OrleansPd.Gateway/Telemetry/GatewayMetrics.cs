using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using OrleansPd.Core.Pairing;

namespace OrleansPd.Gateway.Telemetry;

/// <summary>
/// What the gateway counts, and the text that Prometheus reads. Fields and interlocked adds: a request costs a few nanoseconds
/// here. Labels are bounded (route, reason): never an address, a room or a request id.
/// </summary>
public sealed class GatewayMetrics
{
    private readonly ConcurrentDictionary<(string Route, string Reason), StrongBox> _requests = new();
    private readonly long[] _routed = new long[Enum.GetValues<RouteReason>().Length];
    private int _active;

    /// <summary>From the request to the first content event of a stream, or to the whole plain answer, in seconds.</summary>
    public Histogram FirstOutput { get; } = new(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300);

    /// <summary>From the request to the last byte, in seconds.</summary>
    public Histogram Duration { get; } = new(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800);

    /// <summary>Requests whose answer is not complete.</summary>
    public int Active => Volatile.Read(ref _active);

    public void Started() => Interlocked.Increment(ref _active);

    public void Ended(string route, string reason, TimeSpan duration)
    {
        Interlocked.Decrement(ref _active);
        Interlocked.Increment(ref _requests.GetOrAdd((route, reason), static _ => new StrongBox()).Value);
        Duration.Record(duration.TotalSeconds);
    }

    /// <summary>An attempt went to a pair or to a regular worker.</summary>
    public void Routed(RouteReason reason) => Interlocked.Increment(ref _routed[(int)reason]);

    /// <summary>Attempts that went where they did for this reason.</summary>
    public long Count(RouteReason reason) => Interlocked.Read(ref _routed[(int)reason]);

    /// <summary>Requests that ended with this reason, on all routes.</summary>
    public long Count(string reason) => _requests.Where(r => r.Key.Reason == reason).Sum(r => Interlocked.Read(ref r.Value.Value));

    /// <summary>Writes the counters in the Prometheus text format 0.0.4.</summary>
    public void Write(StringBuilder text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Header(text, "orleanspd_gateway_requests_total", "counter", "Requests that ended, by route and reason; reason ok is success.");
        foreach (var (key, value) in _requests.OrderBy(r => r.Key))
        {
            text.Append(CultureInfo.InvariantCulture,
                $"orleanspd_gateway_requests_total{{route=\"{key.Route}\",reason=\"{key.Reason}\"}} {Interlocked.Read(ref value.Value)}\n");
        }
        Header(text, "orleanspd_gateway_routed_total", "counter", "Attempts by where they went (pd, regular) and why.");
        foreach (var reason in Enum.GetValues<RouteReason>())
        {
            var route = reason is RouteReason.Pair or RouteReason.RegularBusy ? "pd" : "regular";
            text.Append(CultureInfo.InvariantCulture, $"orleanspd_gateway_routed_total{{route=\"{route}\",reason=\"{Word(reason)}\"}} {Count(reason)}\n");
        }
        Gauge(text, "orleanspd_gateway_active_requests", "Requests whose answer is not complete.", Active);
        FirstOutput.Write(text, "orleanspd_gateway_first_output_seconds", "From the request to the first output of decode.");
        Duration.Write(text, "orleanspd_gateway_request_duration_seconds", "From the request to the last byte of the answer.");
    }

    public static void Gauge(StringBuilder text, string name, string help, double value)
    {
        Header(text, name, "gauge", help);
        text.Append(CultureInfo.InvariantCulture, $"{name} {value}\n");
    }

    public static void Counter(StringBuilder text, string name, string help, long value)
    {
        Header(text, name, "counter", help);
        text.Append(CultureInfo.InvariantCulture, $"{name} {value}\n");
    }

    public static void Header(StringBuilder text, string name, string type, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    /// <summary>The reason as labels and answers spell it.</summary>
    public static string Word(RouteReason reason) => reason switch
    {
        RouteReason.Pair => "pair",
        RouteReason.RegularBusy => "regular_busy",
        RouteReason.OnlyRegular => "only_regular",
        RouteReason.ShortPrompt => "short_prompt",
        RouteReason.Fallback => "fallback",
        _ => throw new ArgumentOutOfRangeException(nameof(reason)),
    };

    private sealed class StrongBox
    {
        public long Value;
    }
}
