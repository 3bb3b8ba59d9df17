using OrleansPd.Gateway.Security;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Hosting;

/// <summary>How a gateway, and the control plane beside it, reach engines.</summary>
public static class EngineClient
{
    /// <summary>The client that the options name, with their authorities and certificates; the caller disposes it.</summary>
    /// <exception cref="ArgumentException">A file is missing or is no certificate; the message names it.</exception>
    public static IUpstream Of(GatewayOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Upstream == UpstreamKind.Direct
            ? new DirectUpstream(
                new UpstreamOptions { Tls = EngineTls.Of(options), UseSocketLoop = options.Transport == TransportKind.Loop })
            : Reference(options);
    }

    /// <summary>
    /// A <see cref="HandlerUpstream"/>, whatever the options name: for callers that may block while they await an answer.
    /// </summary>
    /// <exception cref="ArgumentException">As above.</exception>
    public static IUpstream Reference(GatewayOptions options) =>
        new HandlerUpstream(new UpstreamOptions { Tls = EngineTls.Of(options) });
}
