using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace OrleansPd.Gateway.Wire;

/// <summary>
/// The few client headers that engines are sent. An allow-list: whatever chooses ranks or overrides bootstrap members
/// (<c>X-Data-Parallel-Rank</c>, <c>x-override-*</c>, protocol §2.2) can then never slip through.
/// </summary>
internal static class ForwardedHeaders
{
    private static readonly string[] Names =
        ["traceparent", "tracestate", "baggage", "x-request-id", "x-correlation-id", "x-smg-routing-key"];

    private static readonly string[] SessionNames = ["x-session-id", "x-smg-routing-key", "x-user-id"];

    /// <param name="withTrace">Pass the client's trace context on as it is; false where spans of ours stand between.</param>
    public static IReadOnlyList<KeyValuePair<string, string>>? Of(IHeaderDictionary headers, bool withTrace = true)
    {
        // Mostly there is none or one: a list comes with room for four.
        KeyValuePair<string, string>[]? found = null;
        foreach (var name in Names)
        {
            if ((withTrace || name is not ("traceparent" or "tracestate")) && headers.TryGetValue(name, out var value)
                && !StringValues.IsNullOrEmpty(value))
            {
                found = found is null ? new KeyValuePair<string, string>[1] : [.. found, default];
                found[^1] = new(name, value.ToString());
            }
        }
        return found;
    }

    /// <summary>What ties requests to a worker by header; null = none.</summary>
    public static string? SessionOf(IHeaderDictionary headers)
    {
        foreach (var name in SessionNames)
        {
            if (headers.TryGetValue(name, out var value) && !StringValues.IsNullOrEmpty(value))
            {
                return value.ToString();
            }
        }
        return null;
    }
}
