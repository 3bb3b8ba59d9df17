namespace OrleansPd.Net.Http1;

/// <summary>Which client speaks to engines.</summary>
public enum UpstreamKind
{
    /// <summary><see cref="DirectUpstream"/>: HTTP/1.1 over sockets, made for this job.</summary>
    Direct,

    /// <summary><see cref="HandlerUpstream"/>: the HTTP client of .NET, the reference.</summary>
    Handler,
}
