using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Credits;

/// <summary>One registration of a worker as a gateway follows it, with what is to be told to its writer.</summary>
internal sealed class Followed(WorkerReport report, int slot)
{
    /// <summary>More runs than these are dropped, the oldest first: a breaker needs the newest.</summary>
    private const int MaxRuns = 1024;

    private readonly List<OutcomeRun> _outcomes = [];

    public WorkerReport Report { get; set; } = report;

    public int Slot { get; } = slot;

    public WorkerId Id => Report.Id;

    /// <summary>Taken out of the fleet; kept while something is in flight there.</summary>
    public bool IsGone { get; set; }

    public long Sequence { get; set; }

    /// <summary>The ledger of which credits are held.</summary>
    public long Ledger { get; set; }

    public DateTimeOffset ValidUntil { get; set; }

    public bool IsTight { get; set; }

    /// <summary>Claims after this one were made when the worker was known to be usable; null = it is not usable.</summary>
    public long? UsableSince { get; set; }

    /// <summary>Its writer has granted places since it is usable: before, the gateway does not show it as usable.</summary>
    public bool IsArmed { get; set; }

    /// <summary>It has nothing on some rank where each gateway could have something.</summary>
    public bool HasLess { get; set; }

    /// <summary>Something is to be told soon.</summary>
    public bool IsUrgent { get; set; }

    /// <summary>Ranks of which there are windows.</summary>
    public int Ranks { get; set; }

    public long OutcomesEpoch { get; private set; }

    public long Batch { get; private set; }

    public IReadOnlyList<OutcomeRun> Sent { get; private set; } = [];

    public bool HasChanges => Sent.Count > 0 || _outcomes.Count > 0;

    public void Ended(OutcomeRun outcome, long epoch)
    {
        if (epoch != Report.Shown.Epoch)
        {
            return; // only the life that served the leg is charged for it
        }
        if (_outcomes.Count > 0 && _outcomes[^1].Outcome == outcome.Outcome)
        {
            _outcomes[^1] = _outcomes[^1] with { Count = _outcomes[^1].Count + outcome.Count };
            return;
        }
        if (_outcomes.Count == MaxRuns)
        {
            _outcomes.RemoveAt(0);
        }
        _outcomes.Add(outcome);
    }

    /// <summary>
    /// What is to be told: what was not acknowledged under its old number, else what is new under the next one.
    /// </summary>
    public void Pack()
    {
        if (Sent.Count == 0 && _outcomes.Count > 0)
        {
            Sent = [.. _outcomes];
            _outcomes.Clear();
            OutcomesEpoch = Report.Shown.Epoch;
            Batch++;
        }
    }

    public void Acknowledged(long batch)
    {
        if (batch == Batch)
        {
            Sent = [];
        }
    }

    /// <summary>A new process: what the former one did is not charged to it.</summary>
    public void NewEpoch()
    {
        Sent = [];
        _outcomes.Clear();
    }
}
