using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Options;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.CommandLine;

/// <summary>Sends the gateway's spans to a collector.</summary>
internal static class TraceExport
{
    /// <summary>OpenTelemetry's own setting; whoever has set it is right.</summary>
    private const string BatchSize = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";

    /// <summary>
    /// A quarter of OpenTelemetry's default: spans that wait long for their batch outlive a collection, which makes them dear.
    /// </summary>
    private const int SmallBatch = 128;

    /// <param name="options">Where to, and how many.</param>
    /// <param name="more">Sources beside the gateway's own.</param>
    /// <returns>Null when it is switched off; else what to dispose of at the end, which sends what is left.</returns>
    /// <exception cref="BadInputException">The endpoint is no address.</exception>
    public static IDisposable? Start(GatewayOptions options, params string[] more)
    {
        if (!options.EnableTrace)
        {
            return null;
        }
        var (endpoint, protocol) = Endpoint(options.OtlpTracesEndpoint);
        DispatchTelemetry.SampleRatio = options.TraceSampleRatio;
        return Sdk.CreateTracerProviderBuilder()
            .AddSource([DispatchTelemetry.Name, .. more])
            // Requests are drawn before their spans are made, so those of nobody's trace are all to be kept.
            .SetSampler(new ParentBasedSampler(new AlwaysOnSampler()))
            .ConfigureResource(resource => resource.AddService("orleanspd-gateway", serviceVersion: ProductVersion()))
            .AddOtlpExporter(exporter =>
            {
                (exporter.Endpoint, exporter.Protocol) = (endpoint, protocol);
                if (Environment.GetEnvironmentVariable(BatchSize) is null)
                {
                    exporter.BatchExportProcessorOptions.MaxExportBatchSize = SmallBatch;
                }
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
        {
            return (url, OtlpExportProtocol.Grpc);
        }

        return (url.AbsolutePath == "/" ? new Uri(url, "/v1/traces") : url, OtlpExportProtocol.HttpProtobuf);
    }

    private static string? ProductVersion() => typeof(TraceExport).Assembly.GetName().Version?.ToString(3);
}
