using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Admin;

/// <summary>
/// The workers that were removed, for a while and up to a number: their operator wants to know when to kill their engines.
/// </summary>
internal sealed class RetiredWorkers(TimeSpan keep)
{
    private const int Most = 64;
    private readonly List<RetiredWorker> _gone = [];

    /// <summary>Newest first.</summary>
    public IReadOnlyList<RetiredWorker> All => _gone;

    public void Add(RetiredWorker worker)
    {
        Forget(worker.Worker.Id);
        _gone.Insert(0, worker);
        if (_gone.Count > Most)
        {
            _gone.RemoveAt(Most);
        }
    }

    /// <summary>Its name is a registered worker's again.</summary>
    public void Forget(WorkerId id) => _gone.RemoveAll(g => g.Worker.Id == id);

    public void Sweep(DateTimeOffset now) => _gone.RemoveAll(g => now - g.At >= keep);
}

/// <summary>A worker that was removed.</summary>
/// <param name="Worker">As it was, without its key.</param>
/// <param name="Cost">As it was.</param>
/// <param name="At">When it was removed.</param>
/// <param name="Safety">What was known then.</param>
/// <param name="Forced">Removed at once, with requests in flight perhaps.</param>
internal sealed record RetiredWorker(WorkerSnapshot Worker, double Cost, DateTimeOffset At, KillSafety Safety, bool Forced);
