namespace OrleansPd.Tools.Replay;

/// <summary>Counts while a replay runs; may be read at any time.</summary>
internal sealed class ReplayMeter
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, FailureCount> _failures = [];
    private readonly LatencyHistogram _first = new(), _between = new(), _total = new(), _lag = new();
    private long _started, _succeeded, _failed, _inputTokens, _outputTokens;

    public long Started => Interlocked.Read(ref _started);
    public long Succeeded => Interlocked.Read(ref _succeeded);
    public long Failed => Interlocked.Read(ref _failed);
    public long OutputTokens => Interlocked.Read(ref _outputTokens);
    public Distribution FirstOutput => _first.Summarize();

    internal void OnStart(TimeSpan lag)
    {
        Interlocked.Increment(ref _started);
        _lag.Record(lag);
    }

    /// <summary>A gap between two events with output; an event of several tokens counts for each of them.</summary>
    internal void OnOutput(TimeSpan gap, int tokens) => _between.Record(gap / tokens, tokens);

    internal void OnTokens(int tokens) => Interlocked.Add(ref _outputTokens, tokens);

    internal void OnEnd(ReplayedRequest request)
    {
        if (request.Failure is { } failure)
        {
            Interlocked.Increment(ref _failed);
            lock (_gate)
            {
                var count = _failures.GetValueOrDefault(failure, new(0, request.Detail));
                _failures[failure] = count with { Count = count.Count + 1 };
            }

            return;
        }

        Interlocked.Increment(ref _succeeded);
        Interlocked.Add(ref _inputTokens, request.InputTokens);
        _total.Record(request.Total);
        if (request.FirstOutput is { } first)
            _first.Record(first);
    }

    internal ReplayReport Report(ReplayOptions options, string trace, TimeSpan elapsed, bool interrupted)
    {
        lock (_gate)
        {
            var seconds = Math.Max(elapsed.TotalSeconds, 1e-9);
            return new()
            {
                Trace = trace,
                Url = options.Url.ToString(),
                Endpoint = RequestBody.Path(options.Endpoint),
                Stream = options.Stream,
                Interrupted = interrupted,
                Elapsed = elapsed,
                Requests = Succeeded + Failed,
                Succeeded = Succeeded,
                Failed = Failed,
                Failures = new SortedDictionary<string, FailureCount>(_failures, StringComparer.Ordinal),
                InputTokens = Interlocked.Read(ref _inputTokens),
                OutputTokens = OutputTokens,
                RequestsPerSecond = Succeeded / seconds,
                OutputTokensPerSecond = OutputTokens / seconds,
                FirstOutput = _first.Summarize(),
                BetweenTokens = _between.Summarize(),
                Total = _total.Summarize(),
                Lag = _lag.Summarize(),
            };
        }
    }
}

/// <summary>The number of failures of one kind, and the message of the first.</summary>
internal sealed record FailureCount(long Count, string? First);
