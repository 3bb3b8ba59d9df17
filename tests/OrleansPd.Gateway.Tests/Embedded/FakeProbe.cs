using System.Collections.Concurrent;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Core.Pairing;
using OrleansPd.Engines.Probes;

namespace OrleansPd.Gateway.Tests.Embedded;

/// <summary>Engines that are whatever the test says; a host that is not named is not up.</summary>
internal sealed class FakeProbe : IEngineProbe
{
    private readonly ConcurrentDictionary<string, WorkerFacts> _up = new();

    public ConcurrentQueue<PairTrial> Trials { get; } = [];

    /// <summary>Null = generations go well.</summary>
    public string? GenerationProblem { get; set; }

    public void Up(string host, string identity = "seed=1", int slots = 4) => _up[host] = new WorkerFacts
    {
        ServedModelName = "m",
        Version = "0.5.18",
        SlotsPerRank = slots,
        MaxRunningPerRank = slots,
        BootstrapPort = 8998,
        ProcessIdentity = identity,
    };

    public void Down(string host) => _up.TryRemove(host, out _);

    public Task<EngineReading> DescribeAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
        Task.FromResult(_up.TryGetValue(worker.Url.Host, out var facts) ? EngineReading.Of(facts) : EngineReading.Failed(Refused));

    public Task<ProbeAnswer> LivenessAsync(WorkerSpec worker, CancellationToken cancellationToken) =>
        Task.FromResult(_up.ContainsKey(worker.Url.Host) ? ProbeAnswer.Good : Refused);

    public Task<ProbeAnswer> HealthAsync(WorkerSpec worker, CancellationToken cancellationToken) => Task.FromResult(ProbeAnswer.Good);

    public Task<ProbeAnswer> GenerateAsync(PairTrial trial, CancellationToken cancellationToken)
    {
        Trials.Enqueue(trial);
        return Task.FromResult(new ProbeAnswer(GenerationProblem));
    }

    private static ProbeAnswer Refused => new("connection refused", Refused: true);
}
