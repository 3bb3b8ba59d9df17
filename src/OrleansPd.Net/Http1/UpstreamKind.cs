namespace OrleansPd.Net.Http1;

/// <summary>The HTTP client for requests to engines.</summary>
public enum UpstreamKind
{
    /// <summary><see cref="DirectUpstream"/>: our HTTP/1.1 client.</summary>
    Direct,

    /// <summary><see cref="HandlerUpstream"/>: the HTTP client of .NET, the reference.</summary>
    Handler,
}
