namespace OrleansPd.Gateway.Wire;

/// <summary>The id of each request: the client's own where it sent a sound one, else one of ours. The answer says it.</summary>
internal sealed class RequestIds(GatewayOptions options, RidSource rids)
{
    private readonly string[] _headers = options.RequestIdHeaders is { Count: > 0 } own
        ? [.. own]
        : ["x-request-id", "x-correlation-id", "x-trace-id", "request-id"];

    private long _requests;

    public string Of(HttpContext context)
    {
        var given = "";
        foreach (var name in _headers)
        {
            if (context.Request.Headers.TryGetValue(name, out var value) && value.Count == 1)
            {
                given = value.ToString();
                break;
            }
        }
        var id = given.Length is > 0 and <= 128 && !given.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? given
            : string.Create(CultureInfo.InvariantCulture, $"req-{rids.Prefix}-{Interlocked.Increment(ref _requests):x8}");
        context.Response.Headers["x-request-id"] = id;
        return id;
    }
}
