namespace OrleansPd.Core.Credits;

/// <summary>One registration of a worker as a gateway tracks it, with the outcomes to report to its grain.</summary>
internal sealed class TrackedWorker(WorkerReport report, int slot)
{
    /// <summary>Beyond this number of runs the oldest are dropped: a breaker needs the newest.</summary>
    private const int MaxRuns = 1024;

    private readonly List<OutcomeRun> _outcomes = [];

    public WorkerReport Report { get; set; } = report;
    public int Slot { get; } = slot;
    public WorkerId Id => Report.Id;

    /// <summary>Removed from the fleet; kept while requests are in flight there.</summary>
    public bool IsGone { get; set; }

    public long Sequence { get; set; }

    /// <summary>The ledger that granted the credits.</summary>
    public long Ledger { get; set; }

    public DateTimeOffset ValidUntil { get; set; }
    public bool IsTight { get; set; }

    /// <summary>Claims after this one were made while the worker was usable; null = it is not usable.</summary>
    public long? UsableSince { get; set; }

    /// <summary>Its grain has granted credits since it is usable. Before that, the gateway does not use it.</summary>
    public bool IsArmed { get; set; }

    /// <summary>On at least one rank this gateway's grant is below its fair share.</summary>
    public bool HasLess { get; set; }

    /// <summary>Report at the next tick, not at the next interval.</summary>
    public bool IsUrgent { get; set; }

    /// <summary>Ranks with known capacity.</summary>
    public int Ranks { get; set; }

    public long OutcomesEpoch { get; private set; }
    public long Batch { get; private set; }
    public IReadOnlyList<OutcomeRun> Sent { get; private set; } = [];
    public bool HasChanges => Sent.Count > 0 || _outcomes.Count > 0;

    public void Ended(OutcomeRun outcome, long epoch)
    {
        if (epoch != Report.Snapshot.Epoch)
        {
            return; // only the epoch that served the leg is charged
        }
        if (_outcomes.Count > 0 && _outcomes[^1].Outcome == outcome.Outcome)
        {
            _outcomes[^1] = _outcomes[^1] with { Count = _outcomes[^1].Count + outcome.Count };
            return;
        }
        if (_outcomes.Count == MaxRuns)
            _outcomes.RemoveAt(0);
        _outcomes.Add(outcome);
    }

    /// <summary>
    /// Prepares the outcomes to send: an unacknowledged batch again under its number, else the new ones under the next number.
    /// </summary>
    public void Pack()
    {
        if (Sent.Count == 0 && _outcomes.Count > 0)
        {
            Sent = [.. _outcomes];
            _outcomes.Clear();
            OutcomesEpoch = Report.Snapshot.Epoch;
            Batch++;
        }
    }

    public void Acknowledged(long batch)
    {
        if (batch == Batch)
            Sent = [];
    }

    /// <summary>A new process: outcomes of the former one are dropped.</summary>
    public void NewEpoch()
    {
        Sent = [];
        _outcomes.Clear();
    }
}
