namespace OrleansPd.Core.Admin;

/// <summary>
/// Removed workers, kept for a time and up to 64, because their operator needs to know when their engines can be killed.
/// </summary>
internal sealed class RetiredWorkers(TimeSpan keep)
{
    private const int Maximum = 64;
    private readonly List<RetiredWorker> _gone = [];

    /// <summary>Newest first.</summary>
    public IReadOnlyList<RetiredWorker> All => _gone;

    public void Add(RetiredWorker worker)
    {
        Forget(worker.Worker.Id);
        _gone.Insert(0, worker);
        if (_gone.Count > Maximum)
            _gone.RemoveAt(Maximum);
    }

    public void Forget(WorkerId id) => _gone.RemoveAll(g => g.Worker.Id == id);

    public void Sweep(DateTimeOffset now) => _gone.RemoveAll(g => now - g.At >= keep);
}

/// <summary>A worker that was removed.</summary>
/// <param name="Worker">Its last snapshot, without its key.</param>
/// <param name="Cost">Its cost.</param>
/// <param name="At">When it was removed.</param>
/// <param name="Safety">Whether its engine could be killed at that time.</param>
/// <param name="Forced">Removed at once, possibly with requests in flight.</param>
internal sealed record RetiredWorker(WorkerSnapshot Worker, double Cost, DateTimeOffset At, KillSafety Safety, bool Forced);
