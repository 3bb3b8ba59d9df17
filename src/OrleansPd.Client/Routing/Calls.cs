using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Client.Routing;

/// <summary>Parses a service's request into a call for the dispatcher.</summary>
public static class Calls
{
    /// <summary>Maximum wait for capacity; the dispatcher's time limit for a request applies too.</summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(4);

    /// <exception cref="ArgumentException">The path or the body is invalid.</exception>
    public static DispatchCall Make(string path, ReadOnlySpan<byte> body)
    {
        var dialect = path switch
        {
            "/generate" => Dialect.Generate,
            "/v1/chat/completions" => Dialect.Chat,
            "/v1/completions" => Dialect.Completions,
            _ => throw new ArgumentException(
                $"'{path}' is not one of /generate, /v1/chat/completions, /v1/completions", nameof(path)),
        };
        var shape = new RequestShape();
        if (!RequestScanner.TryScan(body, dialect, ScanLimits.Default, shape, out var error))
            throw new ArgumentException(error.Message, nameof(body));
        return new DispatchCall
        {
            Path = path,
            Body = SharedBody.CopyOf(body),
            Shape = shape,
            Pair = new PairRequest
            {
                Items = shape.Items,
                PromptTokens = shape.PromptTokensEstimate,
                MaxNewTokens = shape.MaxNewTokens,
                MaxWait = MaxWait,
            },
        };
    }
}
