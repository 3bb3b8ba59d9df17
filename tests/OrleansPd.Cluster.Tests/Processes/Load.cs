using System.Diagnostics;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>Requests at gateways for as long as it is not ended; what fails, and how long the slowest took.</summary>
internal sealed class Load : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _failures = [];
    private readonly Task _workers;
    private long _slowestTicks;
    private int _done;

    private Load(SiloProcess[] silos, int atOnce, int tokens) =>
        _workers = Task.WhenAll(Enumerable.Range(0, atOnce).Select(i => RunAsync(silos[i % silos.Length], tokens)));

    public int Done => Volatile.Read(ref _done);

    public TimeSpan Slowest => TimeSpan.FromTicks(Interlocked.Read(ref _slowestTicks));

    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (_failures)
            {
                return [.. _failures];
            }
        }
    }

    public static Load Start(int atOnce, int tokens, params SiloProcess[] silos) => new(silos, atOnce, tokens);

    /// <summary>Waits for so many more answers.</summary>
    public Task MoreAsync(int answers)
    {
        var until = Done + answers;
        return ProcessCluster.UntilAsync(
            () => Task.FromResult(Done >= until), () => Task.FromResult($"{Done} of {until}; {string.Join("; ", Failures)}"), 120);
    }

    /// <summary>Goes on for so long.</summary>
    public async Task ForAsync(TimeSpan time)
    {
        for (var since = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(since) < time;)
        {
            await MoreAsync(1);
        }
    }

    public void ForgetSlowest() => Interlocked.Exchange(ref _slowestTicks, 0);

    /// <summary>Lets those under way end.</summary>
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
                {
                    Failed($"{(int)answer.StatusCode} {text}");
                }
            }
            catch (Exception e)
            {
                Failed(e.Message);
            }
            Interlocked.Increment(ref _done);
            var took = Stopwatch.GetElapsedTime(began).Ticks;
            for (var seen = _slowestTicks; took > seen; seen = Interlocked.Read(ref _slowestTicks))
            {
                Interlocked.CompareExchange(ref _slowestTicks, took, seen);
            }
        }
    }

    private void Failed(string why)
    {
        lock (_failures)
        {
            _failures.Add(why);
        }
    }
}
