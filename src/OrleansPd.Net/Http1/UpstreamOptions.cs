using System.Net.Security;

namespace OrleansPd.Net.Http1;

/// <summary>How connections to engines are made and kept.</summary>
public sealed class UpstreamOptions
{
    /// <summary>Limit for making a connection, 10 ms to 5 min. Default 5 s; after it the engine is unreachable.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Certificate authorities and client certificates for https; null = the system's. Default null.</summary>
    public SslClientAuthenticationOptions? Tls { get; set; }

    /// <summary>
    /// How long an idle connection is kept, 0 to 1 h. Default 3 s: engines close an idle connection after 5 s
    /// (SGLANG_TIMEOUT_KEEP_ALIVE), and a request on a connection that is being closed fails.
    /// </summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Use event loops (epoll) for connections without TLS. Code that awaits a response then continues on the loop's thread: half
    /// the system calls and no thread switch, but that code must not block. Linux on x86-64 and ARM64 only; ignored elsewhere.
    /// Default false.
    /// </summary>
    public bool UseSocketLoop { get; set; }

    /// <summary>Maximum bytes of a response head, 1 KiB to 1 MiB. Default 64 KiB; a larger head is an error.</summary>
    public int MaxHead { get; set; } = 64 * 1024;
}
