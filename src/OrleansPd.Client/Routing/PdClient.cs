using OrleansPd.Client.Contracts;
using OrleansPd.Engines.Attempts;
using OrleansPd.Net.Http1;

namespace OrleansPd.Client.Routing;

/// <summary>
/// Sends requests to the engines of a cluster from any .NET service, in one of two ways with the same result.
/// <see cref="StreamAsync"/> acquires a pair from the cluster and connects to both engines directly, with the gateway's
/// dispatcher.
/// <see cref="DispatchAsync"/> lets a silo do that and relays the answer, for services that cannot reach the engines.
/// </summary>
public sealed class PdClient : IAsyncDisposable
{
    private readonly IRouterGrain _router;
    private readonly RouterControlPlane _plane;
    private readonly DispatchTelemetry _telemetry = new();
    private readonly RequestDispatcher _dispatcher;

    /// <param name="grains">The grain factory of a cluster client or of a silo.</param>
    public PdClient(IGrainFactory grains, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(grains);
        ArgumentNullException.ThrowIfNull(clock);
        // One router grain per client, so that reports reach the silo that granted the lease.
        var name = Guid.NewGuid();
        _router = grains.GetGrain<IRouterGrain>(name.ToString("N"));
        _plane = new RouterControlPlane(_router, clock);
        var rids = new RidSource((uint)HashCode.Combine(name, clock.GetUtcNow().Ticks));
        _dispatcher = new RequestDispatcher(
            _plane, new HandlerUpstream(), rids, new LiveRids(), new DispatchOptions(), clock, _telemetry);
    }

    /// <summary>
    /// Streams directly from the engines. Completes with the decode engine's first output; a failure is an answer too.
    /// </summary>
    /// <param name="path">The engines' path: <c>/generate</c>, <c>/v1/chat/completions</c> or <c>/v1/completions</c>.</param>
    /// <param name="body">The request as JSON, as for an engine.</param>
    /// <param name="cancellationToken">Aborts both legs.</param>
    /// <exception cref="ArgumentException">The path or the body is invalid.</exception>
    public Task<PdAnswer> StreamAsync(string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        var call = Calls.Make(path, body.Span);
        var sink = new ChannelSink();
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = sink.RunAsync(_dispatcher, call, stop.Token);
        return AnswerAsync(sink.Parts.ReadAllAsync(CancellationToken.None), stop, cancellationToken);
    }

    /// <summary>Lets a silo dispatch the request and relays its answer.</summary>
    /// <param name="cancellationToken">Aborts both legs.</param>
    public Task<PdAnswer> DispatchAsync(string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        return AnswerAsync(_router.Dispatch(path, body.ToArray(), stop.Token), stop, cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _telemetry.Dispose();
        return _plane.DisposeAsync();
    }

    private static async Task<PdAnswer> AnswerAsync(
        IAsyncEnumerable<AnswerPart> parts, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        var reader = parts.GetAsyncEnumerator(cancellationToken);
        try
        {
            if (!await reader.MoveNextAsync().ConfigureAwait(false))
                throw new PdStreamException("the request ended without an answer");
        }
        catch
        {
            await EndAsync(reader, stop).ConfigureAwait(false);
            throw;
        }
        var head = reader.Current;
        return new PdAnswer(head.Status, head.ContentType, ChunksAsync(reader, stop, cancellationToken));
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<byte>> ChunksAsync(
        IAsyncEnumerator<AnswerPart> reader, CancellationTokenSource stop,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var cancelled = cancellationToken.Register(stop.Cancel).ConfigureAwait(false);
        try
        {
            while (await reader.MoveNextAsync().ConfigureAwait(false))
            {
                if (reader.Current.Error is { } error)
                    throw new PdStreamException(error);
                yield return reader.Current.Body;
            }
        }
        finally
        {
            await EndAsync(reader, stop).ConfigureAwait(false);
        }
    }

    private static async ValueTask EndAsync(IAsyncEnumerator<AnswerPart> reader, CancellationTokenSource stop)
    {
        await stop.CancelAsync().ConfigureAwait(false); // a reader that stops early aborts the request
        await reader.DisposeAsync().ConfigureAwait(false);
        stop.Dispose();
    }
}
