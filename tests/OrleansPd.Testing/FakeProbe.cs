using System.Collections.Concurrent;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Testing;

/// <summary>Engines that are whatever the test says; a host that is not named is not up.</summary>
public sealed class FakeProbe : IEngineProbe
{
    private readonly ConcurrentDictionary<string, WorkerFacts> _up = new();
    private int _running;
    private int _mostRunning;

    /// <summary>All generations that were asked for.</summary>
    public ConcurrentQueue<ReadinessCheck> Trials { get; } = [];

    /// <summary>Null = generations go well.</summary>
    public string? GenerationProblem { get; set; }

    /// <summary>Generations end only when this has; null = at once.</summary>
    public Task? GenerationsWaitFor { get; set; }

    /// <summary>Most generations that ran at the same time.</summary>
    public int MostAtOnce => Volatile.Read(ref _mostRunning);

    /// <param name="adapters">LoRA adapters that it has loaded, one a line.</param>
    public void Up(
        string host, string identity = "seed=1", int slots = 4, int ranks = 1, string model = "m", string adapters = "") =>
        _up[host] = new WorkerFacts
        {
            ServedModelName = model,
            AdapterNames = adapters,
            Version = "0.5.18",
            DpSize = ranks,
            SlotsPerRank = slots,
            MaxRunningPerRank = slots,
            BootstrapPort = 8998,
            ProcessIdentity = identity,
        };

    public void Down(string host) => _up.TryRemove(host, out _);

    public Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(worker);
        return Task.FromResult(
            _up.TryGetValue(worker.Url.Host, out var facts) ? EngineReading.Of(facts) : EngineReading.Failed(Refused));
    }

    public Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(worker);
        return Task.FromResult(_up.ContainsKey(worker.Url.Host) ? ProbeAnswer.Good : Refused);
    }

    public Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
        Task.FromResult(ProbeAnswer.Good);

    public async Task<ProbeAnswer> GenerateAsync(ReadinessCheck check, CancellationToken cancellationToken)
    {
        Trials.Enqueue(check);
        var running = Interlocked.Increment(ref _running);
        for (var most = MostAtOnce; running > most; most = MostAtOnce)
            Interlocked.CompareExchange(ref _mostRunning, running, most);
        try
        {
            await (GenerationsWaitFor?.WaitAsync(cancellationToken) ?? Task.CompletedTask);
            return new ProbeAnswer(GenerationProblem);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    private static ProbeAnswer Refused => new("connection refused", Refused: true);
}
