using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Server.CommandLine;

/// <summary>Exports spans to a collector.</summary>
internal static class TraceExport
{
    /// <summary>OpenTelemetry's setting; a value from the user is kept.</summary>
    private const string BatchSize = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";

    /// <summary>
    /// A quarter of OpenTelemetry's default: spans that wait longer for their batch survive a garbage collection, which costs
    /// CPU.
    /// </summary>
    private const int SmallBatch = 128;

    /// <param name="options">Endpoint and sample ratio.</param>
    /// <param name="more">Further sources.</param>
    /// <returns>Null if tracing is off; else an object that exports remaining spans when disposed.</returns>
    /// <exception cref="BadInputException">The endpoint is invalid.</exception>
    public static IDisposable? Start(GatewayOptions options, params string[] more)
    {
        if (!options.EnableTrace)
            return null;
        var (endpoint, protocol) = Endpoint(options.OtlpTracesEndpoint);
        return Sdk.CreateTracerProviderBuilder()
            .AddSource([DispatchTelemetry.Name, .. more])
            // Requests are sampled before their spans are created, so all spans without a parent are exported.
            .SetSampler(new ParentBasedSampler(new AlwaysOnSampler()))
            .ConfigureResource(resource => resource.AddService("orleanspd-gateway", serviceVersion: ProductVersion()))
            .AddOtlpExporter(exporter =>
            {
                (exporter.Endpoint, exporter.Protocol) = (endpoint, protocol);
                if (Environment.GetEnvironmentVariable(BatchSize) is null)
                    exporter.BatchExportProcessorOptions.MaxExportBatchSize = SmallBatch;
            })
            .Build();
    }

    internal static (Uri Endpoint, OtlpExportProtocol Protocol) Endpoint(string given)
    {
        var text = given.Contains("://", StringComparison.Ordinal) ? given : "http://" + given;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")
            || url.UserInfo.Length > 0)
        {
            throw new BadInputException($"--otlp-traces-endpoint: '{given}' is neither host:port nor a URL.");
        }
        if (url.AbsolutePath == "/" && url.Port != 4318)
            return (url, OtlpExportProtocol.Grpc);
        return (url.AbsolutePath == "/" ? new Uri(url, "/v1/traces") : url, OtlpExportProtocol.HttpProtobuf);
    }

    private static string? ProductVersion() => typeof(TraceExport).Assembly.GetName().Version?.ToString(3);
}
