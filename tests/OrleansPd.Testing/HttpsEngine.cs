using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace OrleansPd.Testing;

/// <summary>
/// Something on https that answers <c>{}</c> to whoever shows a certificate of its authority: enough for a regular engine that is
/// read, tried and used.
/// </summary>
public sealed class HttpsEngine : IAsyncDisposable
{
    private readonly WebApplication _app;

    private HttpsEngine(WebApplication app) => _app = app;

    public Uri Url => new(_app.Urls.Single());

    public static async Task<HttpsEngine> StartAsync(
        string certificate, string key, X509Certificate2 authority, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
        {
            using var pem = X509Certificate2.CreateFromPemFile(certificate, key);
            https.ServerCertificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (shown, _, _) =>
                shown.IssuerName.RawData.AsSpan().SequenceEqual(authority.SubjectName.RawData);
        })));
        var app = builder.Build();
        app.Run(context => context.Response.WriteAsync("{}"));
        await app.StartAsync(cancellationToken);
        return new HttpsEngine(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
