namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// The client side of the load: a fixed number of requests over a fixed number of connections, each sending its next request when
/// its answer is complete. Every answer is checked.
/// </summary>
internal sealed class Generator
{
    private readonly EventLoop _loop;
    private readonly TaskCompletionSource<LoadResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ClientConnection> _clients = [];
    private readonly long[] _latencies;
    private readonly List<long> _eventLatencies = [];
    private readonly bool _closeAtEnd;
    private int _begun;
    private int _ended;
    private long _events;
    private string? _problem;
    private readonly long _start = EventLoop.Now;

    private Generator(EventLoop loop, int requests, bool closeAtEnd)
    {
        (_loop, _closeAtEnd) = (loop, closeAtEnd);
        _latencies = new long[requests];
    }

    /// <summary>Runs the load to its end.</summary>
    /// <param name="loop">Where.</param>
    /// <param name="target">Port of this host that is asked.</param>
    /// <param name="payload">What is sent.</param>
    /// <param name="connections">At most one request at a time on each.</param>
    /// <param name="requests">In all.</param>
    /// <param name="events">Events of a stream that are due, the end marker not counted.</param>
    /// <param name="key">What clients show; null = nothing.</param>
    public static LoadResult Run(
        EventLoop loop, int target, Payload payload, int connections, int requests, int events, string? key = null)
    {
        var generator = new Generator(loop, requests, closeAtEnd: true);
        loop.Post(() => generator.Start(
            payload.Request(target, key), payload.Stream, target, Math.Min(connections, requests), events));
        return loop.Wait(generator._done.Task);
    }

    /// <summary>Opens streams that stay open until they are told to end. Returns when each has had its first event.</summary>
    public static IdleStreams Open(EventLoop loop, int target, Payload payload, int streams)
    {
        var generator = new Generator(loop, streams, closeAtEnd: true);
        var open = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        generator._opened = () =>
        {
            generator._firstEvents++;
            if (generator._firstEvents == streams)
                open.TrySetResult(true);
        };
        loop.Post(() => generator.StartSlowly(target, payload, streams));
        _ = generator._done.Task.ContinueWith(
            t => open.TrySetException(new IOException(t.Result.Problem ?? "ended early")), TaskScheduler.Default);
        _ = loop.Wait(open.Task);
        return new IdleStreams(generator._done.Task);
    }

    private Action? _opened;
    private int _firstEvents;

    private void Start(byte[] request, bool stream, int target, int connections, int events)
    {
        for (var i = 0; i < connections; i++)
            _clients.Add(new ClientConnection(_loop, this, target, request, stream, events));
    }

    /// <summary>
    /// One after the other's first event, with a few at once: a burst of thousands of connections would measure the backlog.
    /// </summary>
    private void StartSlowly(int target, Payload payload, int streams)
    {
        var request = payload.Request(target);
        var left = streams;
        void Next()
        {
            if (left > 0)
            {
                left--;
                _clients.Add(new ClientConnection(_loop, this, target, request, stream: true, events: 1));
            }
        }
        var opened = _opened!;
        _opened = () =>
        {
            opened();
            Next();
        };
        for (var i = 0; i < 32; i++)
            Next();
    }

    /// <summary>False: there is nothing left to begin.</summary>
    internal bool Begin() => _begun < _latencies.Length && _problem is null && ++_begun > 0;

    internal void FirstEvent() => _opened?.Invoke();

    internal void EventAfter(long latency)
    {
        if (_eventLatencies.Count < 2_000_000)
            _eventLatencies.Add(latency);
    }

    internal void Ended(long latency, int events)
    {
        _latencies[_ended++] = latency;
        _events += events;
        if (_ended == _latencies.Length)
            Finish();
    }

    internal void Failed(string problem)
    {
        if (_problem is null)
        {
            _problem = problem;
            Finish();
        }
    }

    private void Finish()
    {
        var end = EventLoop.Now;
        if (_closeAtEnd)
        {
            foreach (var client in _clients)
                client.Close();
        }
        Array.Sort(_latencies);
        _eventLatencies.Sort();
        _done.TrySetResult(new LoadResult(
            _ended, _events, (end - _start) / 1e9, At(
                _latencies, 0.5), At(_latencies, 0.99), At(_eventLatencies, 0.5), At(_eventLatencies, 0.99), _problem));
    }

    private static double At(IReadOnlyList<long> sorted, double share) =>
        sorted.Count == 0 ? 0 : sorted[(int)Math.Min(sorted.Count - 1, share * sorted.Count)] / 1e3;
}

/// <summary>What a load has shown.</summary>
/// <param name="Requests">Answered well.</param>
/// <param name="Events">Of streams.</param>
/// <param name="Seconds">From the first connection to the last byte.</param>
/// <param name="P50">Microseconds of a request.</param>
/// <param name="P99">Microseconds of a request.</param>
/// <param name="EventP50">Microseconds from the engine's sending of an event to the client's reading.</param>
/// <param name="EventP99">The same.</param>
/// <param name="Problem">The first thing that was not as it should be; null = none.</param>
internal sealed record LoadResult(
    int Requests, long Events, double Seconds, double P50, double P99, double EventP50, double EventP99, string? Problem);

internal sealed record IdleStreams(Task<LoadResult> Ended);
