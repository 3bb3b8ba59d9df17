using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Fleet;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Security;

/// <summary>TLS towards clients and towards engines, with certificates made for the test.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("orleanspd-tls-").FullName;

    [Fact]
    public async Task The_listener_serves_https_with_the_operators_certificate()
    {
        var authority = Authority("clients trust this");
        var (certificate, key) = Issue(authority, "listener", TimeSpan.FromDays(1));
        await using var gateway = await GatewayServer.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0, TlsCertPath = certificate, TlsKeyPath = key }, cancellationToken: Stage.Token);
        Assert.Equal("https", gateway.Url.Scheme);
        using var trusting = new HttpClient(new SocketsHttpHandler { SslOptions = Trust(authority) });
        Assert.True((await trusting.GetAsync(new Uri(gateway.Url, "/health"), Stage.Token)).IsSuccessStatusCode);
        using var strange = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => strange.GetAsync(new Uri(gateway.Url, "/health"), Stage.Token));
    }

    [Theory]
    [InlineData(true, true, 200)]
    [InlineData(true, false, 503)]
    [InlineData(false, true, 503)]
    public async Task Engines_on_https_are_checked_against_the_given_authority_and_shown_our_certificate(bool rightAuthority, bool shown, int status)
    {
        var authority = Authority("engines");
        var other = Authority("somebody else");
        var (serverCertificate, serverKey) = Issue(authority, "engine", TimeSpan.FromDays(1));
        var (ours, ourKey) = Issue(authority, "gateway", TimeSpan.FromDays(1));
        await using var engine = await EngineAsync(serverCertificate, serverKey, authority);
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0, RetryMaxRetries = 0 };
        options.CaCertPaths.Add(Write("ca.pem", (rightAuthority ? authority : other).ExportCertificatePem()));
        (options.ClientCertPath, options.ClientKeyPath) = shown ? (ours, ourKey) : (null, null);
        var plane = new FixedControlPlane([Regular(engine)]);
        await using var gateway = await GatewayServer.StartAsync(options, plane, cancellationToken: Stage.Token);
        using var client = new HttpClient { BaseAddress = gateway.Url };

        using var response = await client.PostAsync(
            new Uri("/v1/embeddings", UriKind.Relative), new StringContent("{}", System.Text.Encoding.UTF8, "application/json"), Stage.Token);

        Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(Stage.Token)}");
    }

    [Theory]
    [InlineData("cert", null, "need each other")]
    [InlineData("nowhere.pem", "nowhere.key", "nowhere.pem")]
    public async Task A_certificate_that_cannot_be_read_is_said_before_anything_listens(string certificate, string? key, string words)
    {
        var error = await Assert.ThrowsAsync<ArgumentException>(() => GatewayServer.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0, TlsCertPath = Path.Combine(_folder, certificate), TlsKeyPath = key }, cancellationToken: Stage.Token));
        Assert.Contains(words, error.Message);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<WebApplication> EngineAsync(string certificate, string key, X509Certificate2 authority)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
        {
            using var pem = X509Certificate2.CreateFromPemFile(certificate, key);
            https.ServerCertificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (shown, _, _) => shown.IssuerName.RawData.AsSpan().SequenceEqual(authority.SubjectName.RawData);
        })));
        var app = builder.Build();
        app.Run(context => context.Response.WriteAsync("{}"));
        await app.StartAsync(Stage.Token);
        return app;
    }

    private static WorkerSnapshot Regular(WebApplication engine) => new()
    {
        Id = new("e"),
        Url = new Uri(engine.Urls.First()),
        Role = WorkerRole.Regular,
        Phase = WorkerPhase.Ready,
        Epoch = 1,
        Slot = 0,
        Model = "m",
        Facts = WorkerFacts.Unknown,
    };

    private static SslClientAuthenticationOptions Trust(X509Certificate2 authority) => new()
    {
        CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { authority },
            RevocationMode = X509RevocationMode.NoCheck,
        },
    };

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(2));
    }

    private (string Certificate, string Key) Issue(X509Certificate2 authority, string name, TimeSpan life)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var issued = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow + life, RandomNumberGenerator.GetBytes(8));
        return (Write(name + ".pem", issued.ExportCertificatePem()), Write(name + ".key", key.ExportPkcs8PrivateKeyPem()));
    }

    private string Write(string file, string text)
    {
        var path = Path.Combine(_folder, file);
        File.WriteAllText(path, text);
        return path;
    }
}
