namespace OrleansPd.Engines.Attempts;

/// <summary>What follows a failed attempt.</summary>
internal enum NextStep
{
    Answer,

    /// <summary>Send the same body to another pair: nothing of an answer has reached the client.</summary>
    Retry,

    Resume,
}

/// <summary>A failed attempt, as far as the next step depends on it.</summary>
/// <param name="Verdict">Why it failed.</param>
/// <param name="IsCommitted">Part of the answer may have reached the client.</param>
/// <param name="TimeLeft">Until the limit of the whole request.</param>
/// <param name="IsStopping">The gateway is shutting down.</param>
internal readonly record struct FailedAttempt(Verdict Verdict, bool IsCommitted, TimeSpan TimeLeft, bool IsStopping);

/// <summary>Counts the retries and resumes of one request and decides whether another attempt may follow.</summary>
/// <param name="Retries">Retries since the request began, or since the last resume.</param>
/// <param name="Resumes">Resumes of the client's stream.</param>
/// <param name="HasResent">The one free retry is used up: see <see cref="Verdict.Resend"/>.</param>
internal readonly record struct RetryState(int Retries = 0, int Resumes = 0, bool HasResent = false)
{
    /// <param name="failed">The attempt.</param>
    /// <param name="journal">What the client's stream has received; null where streams are not resumed.</param>
    /// <param name="options">Limits.</param>
    /// <param name="budget">The retry budget of the gateway; a retry takes one from it.</param>
    /// <param name="next">The state after that step.</param>
    public NextStep After(
        in FailedAttempt failed, StreamJournal? journal, DispatchOptions options, RetryBudget budget, out RetryState next)
    {
        next = this;
        var verdict = failed.Verdict;
        if (failed.TimeLeft <= TimeSpan.Zero)
            return NextStep.Answer;
        // A connection that the engine closed for idleness costs no retry, once.
        var isFree = verdict.Resend && !HasResent;
        if (verdict.Retryable && !failed.IsCommitted && (isFree ? 0 : Retries) < options.MaxRetries && budget.TryTake())
        {
            next = isFree ? this with { HasResent = true } : this with { Retries = Retries + 1 };
            return NextStep.Retry;
        }
        // Bounded: a request that kills every engine it meets must not go through the whole pool.
        var mayResume = failed.IsCommitted && !failed.IsStopping && Resumes < options.MaxResumes
            && (verdict.Retryable || ReferenceEquals(verdict, Verdict.Stalled));
        if (mayResume && journal is { HasBegun: true, IsBroken: false, IsFinished: false })
        {
            next = this with { Retries = 0, Resumes = Resumes + 1 };
            return NextStep.Resume;
        }
        return NextStep.Answer;
    }
}
