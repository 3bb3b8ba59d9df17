namespace OrleansPd.Core.Workers;

/// <summary>The fleet as one immutable value. A higher <see cref="Version"/> replaces a lower one.</summary>
public sealed class FleetSnapshot
{
    public static FleetSnapshot Empty { get; } = new(0, []);

    private readonly bool _regularTakesOver;

    /// <param name="version">Higher than of all snapshots before.</param>
    /// <param name="workers">All workers.</param>
    /// <param name="regularTakesOver">Regular workers serve requests also of models that have prefill or decode workers.</param>
    public FleetSnapshot(long version, ImmutableArray<WorkerSnapshot> workers, bool regularTakesOver = true)
    {
        _regularTakesOver = regularTakesOver;
        Version = version;
        Workers = workers;
        Prefill = [.. workers.Where(w => w.Role == WorkerRole.Prefill)];
        Decode = [.. workers.Where(w => w.Role == WorkerRole.Decode)];
        Regular = [.. workers.Where(w => w.Role == WorkerRole.Regular)];
        Models = [.. workers.Where(w => w.Model is not null).Select(w => w.Model!).Distinct(StringComparer.Ordinal)
            .Order(StringComparer.Ordinal)];
        WhyNotReady = FindWhyNotReady();
    }

    public long Version { get; }

    /// <summary>All workers in order of registration, including those that are not usable.</summary>
    public ImmutableArray<WorkerSnapshot> Workers { get; }

    public ImmutableArray<WorkerSnapshot> Prefill { get; }
    public ImmutableArray<WorkerSnapshot> Decode { get; }
    public ImmutableArray<WorkerSnapshot> Regular { get; }

    /// <summary>Names of the models that workers serve, sorted.</summary>
    public ImmutableArray<string> Models { get; }

    /// <summary>Null when a request can be served (a pair in one transfer group, or a regular worker); else the reason.</summary>
    public string? WhyNotReady { get; }

    public bool IsReady => WhyNotReady is null;

    private string? FindWhyNotReady()
    {
        if (Regular.Any(w =>
            w.IsPairable && (_regularTakesOver || !Workers.Any(o => o.Role != WorkerRole.Regular && o.Model == w.Model))))
        {
            return null;
        }
        var prefill = Prefill.Where(w => w.IsPairable).ToArray();
        var decode = Decode.Where(w => w.IsPairable).ToArray();
        return (prefill.Length, decode.Length) switch
        {
            (0, 0) => "no prefill and no decode worker is ready",
            (0, _) => "no prefill worker is ready",
            (_, 0) => "no decode worker is ready",
            _ => prefill.Any(p => decode.Any(d => d.TransferGroup == p.TransferGroup))
                ? null
                : "no prefill and decode worker are in one transfer group "
                    + "(model, version, page size, KV dtype and transport must be equal)",
        };
    }
}
