namespace OrleansPd.Core.Workers;

/// <summary>
/// One spelling of each address: decode engines cache by the text <c>host:port</c>, so two spellings would be two servers.
/// </summary>
public static class WorkerAddress
{
    /// <summary>Scheme, host in lower case and port; without path, query, user or trailing slash.</summary>
    /// <exception cref="ArgumentException">Not an absolute http or https address.</exception>
    public static Uri Canonical(Uri url)
    {
        ArgumentNullException.ThrowIfNull(url);
        return url.IsAbsoluteUri && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps) && url.Host.Length > 0
            ? new UriBuilder(url.Scheme, Host(url), url.Port).Uri
            : throw new ArgumentException($"'{url}' is not an absolute http or https address", nameof(url));
    }

    /// <summary>Host as engines expect it in <c>bootstrap_host</c>: lower case, IPv6 in brackets and without a zone.</summary>
    public static string Host(Uri url)
    {
        ArgumentNullException.ThrowIfNull(url);
        return url.HostNameType == UriHostNameType.IPv6 && IPAddress.TryParse(url.IdnHost, out var ip)
            ? $"[{new IPAddress(ip.GetAddressBytes())}]"
            : url.IdnHost.ToLowerInvariant();
    }

    /// <summary>The default id of a worker.</summary>
    public static WorkerId IdOf(Uri url) => new(Canonical(url).GetLeftPart(UriPartial.Authority));
}
