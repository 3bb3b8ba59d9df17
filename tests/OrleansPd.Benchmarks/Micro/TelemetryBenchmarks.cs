using System.Diagnostics;
using System.Net;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Trace;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Telemetry;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>What is added to a request by tracing: to one that was not drawn, and to one that was, with its export.</summary>
public class SpanBenchmarks
{
    private const string Route = "/v1/chat/completions";
    private const string Id = "req-0123-00000001";
    private readonly DispatchTelemetry _none = new(sampleRatio: 0);
    private readonly DispatchTelemetry _all = new();
    private readonly RequestSpans _unsampled;
    private readonly RequestSpans _sampled;

    public SpanBenchmarks() => (_unsampled, _sampled) = (new(_none, seed: 1), new(_all, seed: 1));

    private TracerProvider _provider = null!;
    private PairLease _lease = null!;
    private DefaultHttpContext _context = null!;

    [GlobalSetup]
    public void Setup()
    {
        var worker = BenchFleet.State(1, "least_load").Fleet.Prefill[0];
        long[] rooms = [4611686018427387905];
        _lease = new PairLease { Id = 1, Prefill = worker, Decode = worker, PrefillRank = 3, DecodeRank = 1, Rooms = rooms };
        _context = new DefaultHttpContext();
        _context.Request.Method = "POST";
        _context.Request.Path = Route;
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
        _none.Dispose();
        _all.Dispose();
    }

    [Benchmark]
    public int NotSampled()
    {
        _context.Request.Headers.Clear();
        using var span = _unsampled.Start(_context, Route, Id);
        var headers = ForwardedHeaders.Of(_context.Request.Headers, withTrace: span is null);
        return LegSpan.Headers(default, null, headers) is { Count: 1 }
            ? 1
            : throw new InvalidOperationException("engines are told nothing");
    }

    [Benchmark]
    public void DrawnAndSent()
    {
        _context.Request.Headers.Clear();
        using var span = _sampled.Start(_context, Route, Id) ?? throw new InvalidOperationException("no span");
        var headers = ForwardedHeaders.Of(_context.Request.Headers, withTrace: false);
        var prefill = LegSpan.Begin(_all.Source, span.Context, Route, _lease, LegSide.Prefill, 1, 0);
        var decode = LegSpan.Begin(_all.Source, span.Context, Route, _lease, LegSide.Decode, 1, 0);
        if (LegSpan.Headers(span.Context, prefill, headers) is not { Count: 1 }
            || LegSpan.Headers(span.Context, decode, headers) is not { Count: 1 })
        {
            throw new InvalidOperationException("engines are told nothing");
        }
        LegSpan.End(prefill, LegEnd.Ok);
        decode!.SetTag("orleanspd.first_content_ms", 12.5);
        LegSpan.End(decode, LegEnd.Ok);
        RequestSpans.End(span, 200, "ok", "none", null);
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
                return;
            _count = 0;
            if (exporter.Export(new Batch<Activity>(_spans, _spans.Length)) != ExportResult.Success)
                throw new InvalidOperationException("nothing was sent");
        }
    }

    /// <summary>A collector that takes all.</summary>
    private sealed class Nowhere : HttpMessageHandler
    {
        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
            new(HttpStatusCode.OK);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(Send(request, cancellationToken));
    }
}

/// <summary>A client's key: of a connection that shows it for the first time, and of one that shows it again.</summary>
public class KeyBenchmarks
{
    private KeyRing _ring = null!;
    private HttpRequest _request = null!;
    private HttpRequest _again = null!;

    [Params(1, 100)]
    public int Keys { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var options = new GatewayOptions();
        foreach (var key in Enumerable.Range(0, Keys))
            options.ClientKeys.Add($"name=c{key},key=sk-0123456789abcdef0123456789abcdef-{key}");
        _ring = new KeyRing(options, TimeProvider.System);
        _request = Asking();
        _again = Asking();
        _again.HttpContext.Features.Set<IPersistentStateFeature>(new Connection());
    }

    [Benchmark]
    public string First() => NameOf(_request);

    [Benchmark]
    public string Again() => NameOf(_again);

    private static HttpRequest Asking()
    {
        var context = new DefaultHttpContext();
        context.Request.Headers.Authorization = "Bearer sk-0123456789abcdef0123456789abcdef-0";
        return context.Request;
    }

    private string NameOf(HttpRequest request) =>
        _ring.IdentityOf(request)?.Account?.Spec.Name ?? throw new InvalidOperationException("the key does not open");

    private sealed class Connection : IPersistentStateFeature
    {
        public IDictionary<object, object?> State { get; } = new Dictionary<object, object?>();
    }
}
