using System.Net.Security;

namespace OrleansPd.Net.Http1;

/// <summary>How connections to engines are kept.</summary>
public sealed class UpstreamOptions
{
    /// <summary>Longest time to make a connection, 10 ms to 5 min. Default 5 s; then the engine counts as unreachable.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Authorities and certificates for engines on https; null = as the system has it. Default null.</summary>
    public SslClientAuthenticationOptions? Tls { get; set; }

    /// <summary>
    /// How long an idle connection is kept, 0 to 1 h. Default 3 s: engines close theirs after 5 s (SGLANG_TIMEOUT_KEEP_ALIVE),
    /// and a request on a connection that is just being closed would fail.
    /// </summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Whether sockets without TLS are waited for by threads of this library, on which whoever awaits an answer then goes on:
    /// half the system calls and no hand-over, but nothing that runs there may block. Linux on x86-64 and ARM64 only; elsewhere
    /// it is ignored. Default false.
    /// </summary>
    public bool UseSocketLoop { get; set; }

    /// <summary>Largest head of an answer in bytes, 1 KiB to 1 MiB. Default 64 KiB; more is an error.</summary>
    public int MaxHead { get; set; } = 64 * 1024;
}
