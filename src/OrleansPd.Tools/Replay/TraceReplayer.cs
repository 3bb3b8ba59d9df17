using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Replay;

/// <summary>
/// Sends the requests of a trace when the trace says (open loop), within a bound on how many are open at once, and measures
/// what comes back.
/// </summary>
internal sealed class TraceReplayer : IDisposable
{
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(10);

    private readonly HttpMessageInvoker _http;
    private readonly ReplayOptions _options;
    private readonly TimeProvider _time;

    public TraceReplayer(ReplayOptions options, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(10),
            MaxConnectionsPerServer = options.Concurrency,
            // Engines close idle connections after 5 s; ours must go first, or a request meets a closing one.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(3),
            UseProxy = false,
        });
    }

    public ReplayMeter Meter { get; } = new();

    /// <summary>Replays to the end, or until cancelled: then the report covers what was finished.</summary>
    public async Task<ReplayReport> RunAsync(Trace trace, CancellationToken cancellationToken)
    {
        var prompts = new PromptSynthesizer(trace.BlockSize, _options.Seed);
        var runner = new RequestRunner(_http, _options, Meter, _time);
        var start = _time.GetTimestamp();
        var interrupted = false;
        try
        {
            var limits = new ParallelOptions
            {
                CancellationToken = cancellationToken,
                MaxDegreeOfParallelism = _options.Concurrency,
            };
            await Parallel.ForEachAsync(Arrivals(trace, start, cancellationToken), limits, async (arrival, cancelled) =>
            {
                var body = RequestBody.Write(_options, prompts, arrival.Request, arrival.Index);
                Meter.OnStart(_options.Speed > 0 ? _time.GetElapsedTime(start) - arrival.Due : TimeSpan.Zero);
                Meter.OnEnd(await JudgeAsync(await runner.RunAsync(arrival.Index, body, cancelled), cancelled));
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            interrupted = true;
        }

        return Meter.Report(_options, trace.Name, _time.GetElapsedTime(start), interrupted);
    }

    /// <summary>Whether anything answers there, whatever it says: null if so, else why not.</summary>
    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(ProbeTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_options.Url, "/health"));
            using var response = await _http.SendAsync(request, both.Token);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"no answer within {ProbeTimeout.TotalSeconds:0} s";
        }
        catch (HttpRequestException error)
        {
            return error.Message;
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<ReplayedRequest> JudgeAsync(ReplayedRequest request, CancellationToken cancellationToken)
    {
        if (_options.Verifier is not { } verify || request.Failure is not null)
            return request;

        var wrong = await verify(request, cancellationToken);
        return wrong is null ? request : request with { Failure = FailureKind.Mismatch, Detail = wrong };
    }

    private async IAsyncEnumerable<Arrival> Arrivals(
        Trace trace, long start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var index = 0;
        foreach (var request in trace.Requests)
        {
            var due = _options.Speed > 0 ? request.Arrival / _options.Speed : TimeSpan.Zero;
            var wait = due - _time.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, _time, cancellationToken);

            cancellationToken.ThrowIfCancellationRequested();
            yield return new(index++, request, due);
        }
    }

    private readonly record struct Arrival(int Index, TraceRequest Request, TimeSpan Due);
}
