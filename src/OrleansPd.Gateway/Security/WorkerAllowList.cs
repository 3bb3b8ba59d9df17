namespace OrleansPd.Gateway.Security;

/// <summary>
/// Addresses allowed for workers that are added while the gateway runs. Adding a worker makes this process call its address
/// (server-side request forgery). Without a list, the metadata addresses where clouds serve credentials are refused; with a list,
/// all addresses that are not on it.
/// </summary>
public sealed class WorkerAllowList
{
    private static readonly IPNetwork[] LinkLocal = [IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("fe80::/10")];
    private static readonly IPAddress OtherMetadata = IPAddress.Parse("fd00:ec2::254");
    private readonly List<IPNetwork> _networks = [];
    private readonly List<(string Host, int? Port)> _hosts = [];

    /// <param name="entries">
    /// Each an address, a network (<c>10.0.0.0/8</c>), a host name or <c>*.domain</c>; a host may end with <c>:port</c>.
    /// Empty = all but link-local addresses.
    /// </param>
    /// <exception cref="FormatException">An entry is invalid.</exception>
    public WorkerAllowList(IEnumerable<string> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        foreach (var entry in entries)
        {
            var text = entry.Trim();
            if (IPNetwork.TryParse(text, out var network))
            {
                _networks.Add(network);
            }
            else if (IPAddress.TryParse(text.Trim('[', ']'), out var address))
            {
                _networks.Add(new IPNetwork(address, address.GetAddressBytes().Length * 8));
            }
            else
            {
                var colon = text.LastIndexOf(':');
                int? port = colon > 0 && int.TryParse(text[(colon + 1)..], out var given) ? given : null;
                var host = port is null ? text : text[..colon];
                if (Uri.CheckHostName(
                    host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host) == UriHostNameType.Unknown)
                {
                    throw new FormatException($"'{entry}' is not an address, a network such as 10.0.0.0/8, or a host name");
                }
                _hosts.Add((host, port));
            }
        }
    }

    /// <summary>
    /// The reason why the address is refused; null if it is allowed. A host name is allowed by name, or if all addresses that it
    /// resolves to are in networks of the list.
    /// </summary>
    public async ValueTask<string?> CheckAsync(Uri url, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        var host = WorkerAddress.Host(url).Trim('[', ']');
        if (_hosts.Any(h => Matches(h.Host, host) && (h.Port is null || h.Port == url.Port)))
            return null;
        var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await ResolveAsync(host, cancellationToken);
        if (_networks.Count + _hosts.Count == 0)
            return addresses.Any(IsMetadata) ? "link-local addresses are refused: --worker-url-allow can name them" : null;
        return addresses.Length > 0 && addresses.All(a => _networks.Any(n => n.Contains(Unmapped(a))))
            ? null
            : "the address is not on the list of --worker-url-allow";
    }

    private static async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(host, cancellationToken);
        }
        catch (System.Net.Sockets.SocketException)
        {
            return [];
        }
    }

    private static bool Matches(string pattern, string host) => pattern.StartsWith("*.", StringComparison.Ordinal)
        ? host.EndsWith(pattern[1..], StringComparison.OrdinalIgnoreCase)
        : host.Equals(pattern, StringComparison.OrdinalIgnoreCase);

    private static bool IsMetadata(IPAddress address) =>
        Unmapped(address) is var plain && (LinkLocal.Any(n => n.Contains(plain)) || plain.Equals(OtherMetadata));

    private static IPAddress Unmapped(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
