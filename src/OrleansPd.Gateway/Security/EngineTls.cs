using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OrleansPd.Gateway.Security;

/// <summary>Loads the certificates that the options name.</summary>
internal static class EngineTls
{
    /// <summary>TLS settings for https engines; null = the defaults of the system.</summary>
    /// <exception cref="ArgumentException">A file is missing or invalid; the message names it.</exception>
    public static SslClientAuthenticationOptions? Of(GatewayOptions options)
    {
        if (options.CaCertPaths.Count == 0 && options.ClientCertPath is null && options.ClientKeyPath is null)
            return null;
        var tls = new SslClientAuthenticationOptions();
        if (options.CaCertPaths.Count > 0)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck
            };
            foreach (var path in options.CaCertPaths)
                Read(path, () => policy.CustomTrustStore.ImportFromPemFile(path));
            tls.CertificateChainPolicy = policy;
        }
        if (options.ClientCertPath is not null || options.ClientKeyPath is not null)
        {
            tls.ClientCertificates =
                [Load(options.ClientCertPath, options.ClientKeyPath, "--client-cert-path", "--client-key-path")];
        }
        return tls;
    }

    /// <summary>The listener's certificate; null = plain HTTP.</summary>
    /// <exception cref="ArgumentException">A file is missing or invalid.</exception>
    public static X509Certificate2? Listener(GatewayOptions options) => options.TlsCertPath is null && options.TlsKeyPath is null
        ? null
        : Load(options.TlsCertPath, options.TlsKeyPath, "--tls-cert-path", "--tls-key-path");

    private static X509Certificate2 Load(string? certificate, string? key, string certificateFlag, string keyFlag)
    {
        if (certificate is null || key is null)
            throw new ArgumentException($"{certificateFlag} and {keyFlag} need each other.");
        X509Certificate2? loaded = null;
        Read($"{certificate} with {key}", () => loaded = X509Certificate2.CreateFromPemFile(certificate, key));
        return loaded!;
    }

    private static void Read(string what, Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new ArgumentException($"{what}: {e.Message}", e);
        }
    }
}
