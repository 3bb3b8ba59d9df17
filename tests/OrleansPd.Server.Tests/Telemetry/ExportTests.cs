using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Exporter;
using OrleansPd.Server.CommandLine;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Tests.Telemetry;

/// <summary>Spans as a collector gets them, and the log as JSON.</summary>
public sealed class ExportTests
{
    [Fact]
    public async Task Spans_of_requests_arrive_at_the_collector_by_OTLP()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var got = new ConcurrentQueue<(string Path, string Text)>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        collector.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            got.Enqueue((context.Request.Path, Encoding.Latin1.GetString(body.ToArray())));
        });
        await collector.StartAsync(cancellationToken);
        using var stop = new CancellationTokenSource();
        var listens = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var bed = new CommandLineTestBed { FirstLine = listens.SetResult };
        var gateway = bed.RunUntilAsync(
            stop.Token, "gateway", "--host", "127.0.0.1", "--port", "0", "--enable-trace", "--trace-sample-ratio", "1",
            "--otlp-traces-endpoint", collector.Urls.First() + "/v1/traces");
        Assert.Equal(listens.Task, await Task.WhenAny(listens.Task, gateway));
        using var http = new HttpClient();
        using var answer = await http.PostAsJsonAsync(
            new Uri(Regex.Match(bed.Out, @"http://127\.0\.0\.1:\d+").Value + "/generate"), new { text = "x" }, cancellationToken);
        await stop.CancelAsync();
        Assert.Equal(0, await gateway);

        // What is left is sent before the command ends.
        var (path, text) = Assert.Single(got);
        Assert.Equal("/v1/traces", path);
        foreach (var part in (
            string[])["orleanspd-gateway", "POST /generate", "orleanspd.reason", "no_healthy_workers", "orleanspd.request.id"])
        {
            Assert.Contains(part, text);
        }
    }

    [Theory]
    [InlineData("localhost:4317", "http://localhost:4317/", OtlpExportProtocol.Grpc)]
    [InlineData("https://otel:4317", "https://otel:4317/", OtlpExportProtocol.Grpc)]
    [InlineData("otel:4318", "http://otel:4318/v1/traces", OtlpExportProtocol.HttpProtobuf)]
    [InlineData("http://otel/traces", "http://otel/traces", OtlpExportProtocol.HttpProtobuf)]
    public void The_endpoint_tells_the_protocol(string given, string url, OtlpExportProtocol protocol) =>
        Assert.Equal((new Uri(url), protocol), TraceExport.Endpoint(given));

    [Theory]
    [InlineData("ftp://x")]
    [InlineData("http://user:secret@x")]
    [InlineData("::")]
    public void An_endpoint_that_is_none_is_refused(string given) =>
        Assert.Throws<BadInputException>(() => TraceExport.Endpoint(given));

    [Theory]
    [InlineData("--log-format", "xml", "is not text or json")]
    [InlineData("--client-keys", "name=a,key=hush,rpm=x", "'rpm'")]
    [InlineData("--worker-url-allow", "10.0.0.0/99", "--worker-url-allow")]
    [InlineData("--model-alias", "a", "ALIAS=MODEL")]
    [InlineData("--tls-cert-path", "/nowhere.pem", "need each other")]
    [InlineData("--otlp-traces-endpoint", "ftp://x", null)]
    public async Task What_cannot_be_read_is_said_before_anything_listens(string flag, string value, string? words)
    {
        using var stop = new CancellationTokenSource();
        var bed = new CommandLineTestBed { FirstLine = stop.Cancel };
        var code = await bed.RunUntilAsync(stop.Token, "gateway", "--host", "127.0.0.1", "--port", "0", flag, value);
        if (words is null)
        {
            // Without --enable-trace the endpoint is not used, so it is not checked.
            Assert.Equal(0, code);
            return;
        }

        Assert.NotEqual(0, code);
        Assert.Contains(words, bed.Error);
        Assert.DoesNotContain("hush", bed.Error);
    }
}
