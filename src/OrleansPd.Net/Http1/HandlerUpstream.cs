using System.Diagnostics;
using System.Net.Http.Headers;

namespace OrleansPd.Net.Http1;

/// <summary>The reference implementation of <see cref="IUpstream"/>, on <see cref="SocketsHttpHandler"/>.</summary>
public sealed class HandlerUpstream : IUpstream
{
    private readonly HttpMessageInvoker _client;
    private readonly TimeProvider _clock;

    public HandlerUpstream(UpstreamOptions? options = null, TimeProvider? clock = null)
    {
        options ??= new UpstreamOptions();
        _clock = clock ?? TimeProvider.System;
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            ActivityHeadersPropagator = DistributedContextPropagator.CreateNoOutputPropagator(),
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectCallback = (context, cancellationToken) => TrackedConnection.ConnectAsync(context, _clock, cancellationToken),
            ConnectTimeout = options.ConnectTimeout,
            EnableMultipleHttp2Connections = false,
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = options.IdleTimeout,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            ResponseDrainTimeout = TimeSpan.Zero,
            SslOptions = options.Tls ?? new(),
            UseCookies = false,
            UseProxy = false,
        });
    }

    public async ValueTask<IUpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        var message = new HttpRequestMessage(MethodOf(request.Method), new Uri(request.Engine, request.Path))
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (request.Body.SegmentCount > 0)
            message.Content = new SegmentsContent(request.Body);
        if (request.Credentials is { } credentials)
            message.Headers.TryAddWithoutValidation("Authorization", credentials);
        for (var i = 0; i < (request.Headers?.Count ?? 0); i++)
            message.Headers.TryAddWithoutValidation(request.Headers![i].Key, request.Headers[i].Value);
        var usage = new TrackedConnection.Usage();
        TrackedConnection.Current = usage;
        var started = _clock.GetTimestamp();
        try
        {
            var response = await _client.SendAsync(message, cancellationToken).ConfigureAwait(false);
            var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            return new Response(response, stream);
        }
        catch (HttpRequestException e)
        {
            var neverSent = e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
                or HttpRequestError.SecureConnectionError;
            throw new UpstreamException(neverSent, e.Message, e) { WasStale = !neverSent && WasStale() };
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new UpstreamException(neverSent: true, "The connection was not made in time.", e);
        }
        catch (IOException e)
        {
            throw new UpstreamException(neverSent: false, e.Message, e) { WasStale = WasStale() };
        }
        bool WasStale() => usage.WasReusedWithoutResponse && StaleRule.Holds(usage.Idle, _clock.GetElapsedTime(started));
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private static HttpMethod MethodOf(string? method) => method switch
    {
        null or "POST" => HttpMethod.Post,
        "GET" => HttpMethod.Get,
        "PUT" => HttpMethod.Put,
        _ => new HttpMethod(method),
    };

    private sealed class SegmentsContent : HttpContent
    {
        private static readonly MediaTypeHeaderValue Json = new("application/json");
        private readonly UpstreamBody _body;

        public SegmentsContent(UpstreamBody body)
        {
            _body = body;
            Headers.ContentType = Json;
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(
            Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            for (var i = 0; i < _body.SegmentCount; i++)
                await stream.WriteAsync(_body.Segment(i), cancellationToken).ConfigureAwait(false);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = _body.Length;
            return true;
        }
    }

    private sealed class Response(HttpResponseMessage message, Stream stream) : IUpstreamResponse
    {
        public int Status => (int)message.StatusCode;

        public string? ContentType => message.Content.Headers.NonValidated.TryGetValues("Content-Type", out var values)
            ? values.ToString() : null;

        public long? ContentLength => message.Content.Headers.ContentLength;

        public TimeSpan? RetryAfter => message.Headers.RetryAfter?.Delta;

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            try
            {
                return await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                throw new UpstreamException(neverSent: false, e.Message, e);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            message.Dispose();
        }
    }
}
