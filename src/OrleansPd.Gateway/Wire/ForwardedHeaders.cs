using Microsoft.Extensions.Primitives;

namespace OrleansPd.Gateway.Wire;

/// <summary>
/// The client headers that are forwarded to engines. An allow-list, because engines also read headers that choose ranks or
/// override bootstrap members (<c>X-Data-Parallel-Rank</c>, <c>x-override-*</c>).
/// </summary>
internal static class ForwardedHeaders
{
    private static readonly string[] Names =
        ["traceparent", "tracestate", "baggage", "x-request-id", "x-correlation-id", "x-smg-routing-key"];

    private static readonly string[] SessionNames = ["x-session-id", "x-smg-routing-key", "x-user-id"];

    /// <param name="withTrace">Forward the client's trace context; false if the gateway sends its own.</param>
    public static IReadOnlyList<KeyValuePair<string, string>>? Of(IHeaderDictionary headers, bool withTrace = true)
    {
        // An array grown one by one: usually there is no header or one, and a list would allocate four entries.
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

    /// <summary>The session key for policies with affinity; null = the client sent none.</summary>
    public static string? SessionOf(IHeaderDictionary headers)
    {
        foreach (var name in SessionNames)
        {
            if (headers.TryGetValue(name, out var value) && !StringValues.IsNullOrEmpty(value))
                return value.ToString();
        }
        return null;
    }
}
