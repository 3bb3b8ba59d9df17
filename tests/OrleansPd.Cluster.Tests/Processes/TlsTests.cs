using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Testing;

namespace OrleansPd.Cluster.Tests.Processes;

[Collection(ProcessTests.Name)]
public class TlsTests
{
    [Fact]
    public async Task A_silo_reads_and_tries_engines_on_https_by_the_operators_certificates()
    {
        using var certificates = new TestCertificates();
        var authority = TestCertificates.Authority("engines");
        var (certificate, key) = certificates.Issue(authority, "engine", TimeSpan.FromDays(1));
        var (ours, ourKey) = certificates.Issue(authority, "silo", TimeSpan.FromDays(1));
        await using var engine = await HttpsEngine.StartAsync(certificate, key, authority, ClusterStage.Token);
        await using var redis = await RedisProcess.StartAsync();
        await using var silo = await SiloProcess.StartAsync(
            "--redis", redis.Address, "--cluster-id", "test", "--service-id", "test", "--host", "127.0.0.1", "--port", "0",
            "--silo-port", "0",
            "--gateway-port", "0", "--worker-urls", engine.Url.AbsoluteUri, "--ca-cert-paths",
            certificates.Write("ca.pem", authority.ExportCertificatePem()), "--client-cert-path", ours, "--client-key-path",
            ourKey);
        await ProcessCluster.UntilAsync(
            async () =>
            {
                using var answer = await silo.Client.GetAsync(new Uri("readiness", UriKind.Relative), ClusterStage.Token);
                return answer.IsSuccessStatusCode;
            },
            async () => await silo.Client.GetStringAsync(new Uri("workers", UriKind.Relative), ClusterStage.Token), 20);
    }
}
