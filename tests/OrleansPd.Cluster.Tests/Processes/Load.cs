using System.Diagnostics;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>Sends requests to gateways until it is disposed; counts failures and times.</summary>
internal sealed class Load : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _failures = [];
    private readonly List<TimeSpan> _times = [];
    private readonly Task _workers;
    private int _done;

    private Load(SiloProcess[] silos, int atOnce, int tokens) =>
        _workers = Task.WhenAll(Enumerable.Range(0, atOnce).Select(i => RunAsync(silos[i % silos.Length], tokens)));

    public int Done => Volatile.Read(ref _done);

    /// <summary>The slowest request since the last <see cref="ForgetTimes"/>.</summary>
    public TimeSpan Slowest => Times.LastOrDefault();

    /// <summary>The 99th percentile since the last <see cref="ForgetTimes"/>.</summary>
    public TimeSpan P99 => Times is { Length: > 0 } times ? times[times.Length * 99 / 100] : default;

    private TimeSpan[] Times
    {
        get
        {
            lock (_times)
                return [.. _times.Order()];
        }
    }

    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (_failures)
                return [.. _failures];
        }
    }

    public static Load Start(int atOnce, int tokens, params SiloProcess[] silos) => new(silos, atOnce, tokens);

    /// <summary>Waits for more answers.</summary>
    public Task MoreAsync(int answers)
    {
        var until = Done + answers;
        return ProcessCluster.UntilAsync(
            () => Task.FromResult(Done >= until), () =>
                Task.FromResult($"{Done} of {until}; {string.Join("; ", Failures)}"), 120);
    }

    /// <summary>Continues for a time.</summary>
    public async Task ForAsync(TimeSpan time)
    {
        for (var since = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(since) < time;)
            await MoreAsync(1);
    }

    public void ForgetTimes()
    {
        lock (_times)
            _times.Clear();
    }

    /// <summary>Lets requests in flight complete.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_stop.IsCancellationRequested)
        {
            await _stop.CancelAsync();
            await _workers;
        }
    }

    private async Task RunAsync(SiloProcess silo, int tokens)
    {
        while (!_stop.IsCancellationRequested)
        {
            var began = Stopwatch.GetTimestamp();
            try
            {
                using var answer = await ProcessCluster.GenerateAsync(silo, tokens, CancellationToken.None);
                var text = await answer.Content.ReadAsStringAsync();
                if (!answer.IsSuccessStatusCode)
                    Failed($"{(int)answer.StatusCode} {text}");
            }
            catch (Exception e)
            {
                Failed(e.Message);
            }
            Interlocked.Increment(ref _done);
            lock (_times)
                _times.Add(Stopwatch.GetElapsedTime(began));
        }
    }

    private void Failed(string why)
    {
        lock (_failures)
            _failures.Add(why);
    }
}
