using System.Diagnostics;
using System.Net;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Http;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Trace;
using OrleansPd.Core.Dispatch;
using OrleansPd.Core.Pairing;
using OrleansPd.Engines.Dispatch;
using OrleansPd.Gateway;
using OrleansPd.Gateway.Http;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Telemetry;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>What is added to a request by its spans: one of a request that was not drawn, and all of one that was, its export included.</summary>
public class SpanBenchmarks
{
    private const string Id = "req-0123-00000001";
    private TracerProvider _provider = null!;
    private PairLease _lease = null!;
    private DefaultHttpContext _context = null!;

    [GlobalSetup]
    public void Setup()
    {
        var worker = BenchFleet.State(1, "least_load").Fleet.Prefill[0];
        _lease = new PairLease { Id = 1, Prefill = worker, Decode = worker, PrefillRank = 3, DecodeRank = 1, Rooms = new long[] { 4611686018427387905 } };
        _context = new DefaultHttpContext();
        _context.Request.Method = "POST";
        _context.Request.Path = "/v1/chat/completions";
        _context.Connection.RemoteIpAddress = IPAddress.Loopback;
        _provider = Sdk.CreateTracerProviderBuilder()
            .AddSource(DispatchTelemetry.Name)
            .SetSampler(new ParentBasedSampler(new AlwaysOnSampler()))
            .AddProcessor(new Collected(new OtlpTraceExporter(new OtlpExporterOptions
            {
                Protocol = OtlpExportProtocol.HttpProtobuf,
                HttpClientFactory = () => new HttpClient(new Nowhere()),
            })))
            .Build();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _provider.Dispose();
        DispatchTelemetry.SampleRatio = 1;
    }

    [Benchmark]
    public int NotDrawn()
    {
        DispatchTelemetry.SampleRatio = 0;
        _context.Request.Headers.Clear();
        using var span = RequestSpan.Start(_context, "/v1/chat/completions", Id);
        var headers = ForwardedHeaders.Of(_context.Request.Headers, withTrace: span is null);
        return LegSpan.Headers(default, null, headers) is { Count: 1 } ? 1 : throw new InvalidOperationException("engines are told nothing");
    }

    [Benchmark]
    public void DrawnAndSent()
    {
        DispatchTelemetry.SampleRatio = 1;
        _context.Request.Headers.Clear();
        using var span = RequestSpan.Start(_context, "/v1/chat/completions", Id) ?? throw new InvalidOperationException("no span");
        var headers = ForwardedHeaders.Of(_context.Request.Headers, withTrace: false);
        var prefill = LegSpan.Begin(span.Context, "/v1/chat/completions", _lease, LegSide.Prefill, 1, 0);
        var decode = LegSpan.Begin(span.Context, "/v1/chat/completions", _lease, LegSide.Decode, 1, 0);
        if (LegSpan.Headers(span.Context, prefill, headers) is not { Count: 1 } || LegSpan.Headers(span.Context, decode, headers) is not { Count: 1 })
        {
            throw new InvalidOperationException("engines are told nothing");
        }
        LegSpan.End(prefill, LegEnd.Ok);
        decode!.SetTag("orleanspd.first_content_ms", 12.5);
        LegSpan.End(decode, LegEnd.Ok);
        RequestSpan.End(span, 200, "ok", "none", null);
    }

    /// <summary>Sends when as much is there as the product sends at once, on the thread that is measured.</summary>
    private sealed class Collected(BaseExporter<Activity> exporter) : BaseExportProcessor<Activity>(exporter)
    {
        private readonly Activity[] _spans = new Activity[512];
        private int _count;

        protected override void OnExport(Activity data)
        {
            _spans[_count++] = data;
            if (_count < _spans.Length)
            {
                return;
            }
            _count = 0;
            if (exporter.Export(new Batch<Activity>(_spans, _spans.Length)) != ExportResult.Success)
            {
                throw new InvalidOperationException("nothing was sent");
            }
        }
    }

    /// <summary>A collector that takes all.</summary>
    private sealed class Nowhere : HttpMessageHandler
    {
        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) => new(HttpStatusCode.OK);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(Send(request, cancellationToken));
    }
}

/// <summary>A client's key: of a connection that shows it for the first time, and of one that shows it again.</summary>
public class KeyBenchmarks
{
    private KeyRing _ring = null!;
    private HttpRequest _request = null!;

    [Params(1, 100)]
    public int Keys { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var options = new GatewayOptions();
        foreach (var key in Enumerable.Range(0, Keys))
        {
            options.ClientKeys.Add($"name=c{key},key=sk-0123456789abcdef0123456789abcdef-{key}");
        }
        _ring = new KeyRing(options, TimeProvider.System);
        _request = new DefaultHttpContext { Request = { Headers = { Authorization = "Bearer sk-0123456789abcdef0123456789abcdef-0" } } }.Request;
    }

    [Benchmark]
    public string First() => _ring.PassOf(_request)?.Account?.Spec.Name ?? throw new InvalidOperationException("the key does not open");
}
