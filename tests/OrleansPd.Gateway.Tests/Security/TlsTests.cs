using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;
using OrleansPd.Standalone;
using OrleansPd.Testing;

namespace OrleansPd.Gateway.Tests.Security;

/// <summary>TLS towards clients and towards engines, with certificates made for the test.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly TestCertificates _certificates = new();

    [Fact]
    public async Task The_listener_serves_https_with_the_operators_certificate()
    {
        var authority = TestCertificates.Authority("clients trust this");
        var (certificate, key) = _certificates.Issue(authority, "listener", TimeSpan.FromDays(1));
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0, TlsCertPath = certificate, TlsKeyPath = key },
            cancellationToken: Stage.Token);
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
    public async Task Engines_on_https_are_checked_against_the_given_authority_and_shown_our_certificate(
        bool rightAuthority, bool shown, int status)
    {
        var authority = TestCertificates.Authority("engines");
        var other = TestCertificates.Authority("somebody else");
        var (serverCertificate, serverKey) = _certificates.Issue(authority, "engine", TimeSpan.FromDays(1));
        var (ours, ourKey) = _certificates.Issue(authority, "gateway", TimeSpan.FromDays(1));
        await using var engine = await HttpsEngine.StartAsync(serverCertificate, serverKey, authority, Stage.Token);
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0, RetryMaxRetries = 0 };
        options.CaCertPaths.Add(_certificates.Write("ca.pem", (rightAuthority ? authority : other).ExportCertificatePem()));
        (options.ClientCertPath, options.ClientKeyPath) = shown ? (ours, ourKey) : (null, null);
        var plane = new FixedControlPlane([Regular(engine)]);
        await using var gateway = await GatewayServer.StartAsync(options, plane, cancellationToken: Stage.Token);
        using var client = new HttpClient { BaseAddress = gateway.Url };

        using var response = await client.PostAsync(
            new Uri("/v1/embeddings", UriKind.Relative), new StringContent(
                "{}", System.Text.Encoding.UTF8, "application/json"), Stage.Token);

        Assert.True(status == (
            int)response.StatusCode, $"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(Stage.Token)}");
    }

    [Theory]
    [InlineData(UpstreamKind.Direct)]
    [InlineData(UpstreamKind.Handler)]
    public async Task Engines_on_https_are_read_and_tried_as_they_are_used(UpstreamKind upstream)
    {
        var authority = TestCertificates.Authority("engines");
        var (serverCertificate, serverKey) = _certificates.Issue(authority, "engine", TimeSpan.FromDays(1));
        await using var engine = await HttpsEngine.StartAsync(serverCertificate, serverKey, authority, Stage.Token);
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0, Upstream = upstream };
        options.CaCertPaths.Add(_certificates.Write("ca.pem", authority.ExportCertificatePem()));
        (options.ClientCertPath, options.ClientKeyPath) = _certificates.Issue(authority, "gateway", TimeSpan.FromDays(1));
        options.ControlPlane.Workers.Add(new WorkerSpec { Url = engine.Url, Role = WorkerRole.Regular });
        await using var gateway = await StandaloneGateway.StartAsync(options, cancellationToken: Stage.Token);
        await LiveStage.UntilAsync(() => gateway.ControlPlane.Fleet.IsReady, TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData("cert", null, "need each other")]
    [InlineData("nowhere.pem", "nowhere.key", "nowhere.pem")]
    public async Task A_certificate_that_cannot_be_read_is_said_before_anything_listens(
        string certificate, string? key, string words)
    {
        var error = await Assert.ThrowsAsync<ArgumentException>(() => StandaloneGateway.StartAsync(
            new GatewayOptions
            {
                Host = "127.0.0.1",
                Port = 0,
                TlsCertPath = Path.Combine(
                _certificates.Folder, certificate),
                TlsKeyPath = key
            }, cancellationToken: Stage.Token));
        Assert.Contains(words, error.Message);
    }

    [Fact]
    public async Task So_is_an_authority_for_engines_whoever_owns_the_control_plane()
    {
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0 };
        options.CaCertPaths.Add(Path.Combine(_certificates.Folder, "nowhere.pem"));
        var error = await Assert.ThrowsAsync<ArgumentException>(
            () => GatewayServer.StartAsync(options, new FixedControlPlane(), cancellationToken: Stage.Token));
        Assert.Contains("nowhere.pem", error.Message);
    }

    public void Dispose() => _certificates.Dispose();

    private static WorkerSnapshot Regular(HttpsEngine engine) => new()
    {
        Id = new("e"),
        Url = engine.Url,
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
}
