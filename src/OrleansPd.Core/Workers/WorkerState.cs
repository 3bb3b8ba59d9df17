namespace OrleansPd.Core.Workers;

/// <summary>
/// State of one worker, as a value.
/// <code>
///  Registered --Described--> Probing --ReadinessPassed--> Ready --Drain--> Draining --Remove--> Gone
///      ^                        ^                  |
///      '------ Missed too often / refused ---------+   a new process behind the address: Probing, epoch + 1
/// </code>
/// A Ready worker is published as <see cref="WorkerPhase.Suspect"/> while probes fail or requests make no progress, and as
/// <see cref="WorkerPhase.Broken"/> while its breaker is open. The breaker is a separate value because every leg changes it.
/// </summary>
public sealed record WorkerState
{
    public required WorkerId Id { get; init; }
    public required WorkerSpec Spec { get; init; }
    public required int Slot { get; init; }

    /// <summary>Distinguishes registrations of the same address; later ones are higher.</summary>
    public long Registration { get; init; }

    /// <summary>While it drains: the role to switch to; null = it is removed.</summary>
    public WorkerRole? SwitchTo { get; init; }

    public long Epoch { get; init; } = 1;
    public WorkerFacts Facts { get; init; } = WorkerFacts.Unknown;

    /// <summary>When the current stage began.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>A restarted prefill worker gets no readiness check before this time.</summary>
    public DateTimeOffset HoldUntil { get; init; }

    /// <summary>Our bootstrap facade for this epoch of a prefill worker; null = none yet.</summary>
    public (string Host, int Port)? Facade { get; init; }

    /// <summary>Why it does not serve, or is suspect; for people.</summary>
    public string? Reason { get; init; }

    /// <summary>True once the facts of a process at this address were read.</summary>
    public bool WasDescribed { get; init; }

    /// <summary>Registered, Probing, Ready, Draining or Gone.</summary>
    public WorkerPhase Stage { get; init; } = WorkerPhase.Registered;

    // A decode engine keeps the cached ports of a prefill that restarted between two of its heartbeats: they never expire.
    private const string OldPortsHint =
        "; decode engines may still know the ports of its former process: stop it for longer than two of their heartbeats, "
        + "or use the bootstrap facade";

    private int Misses { get; init; }
    private int Refusals { get; init; }
    private DateTimeOffset? DownSince { get; init; }
    private bool Unhealthy { get; init; }
    private bool Stalled { get; init; }

    /// <summary>A leg failed there, and the engine has not answered since.</summary>
    private bool HasFailedLeg { get; init; }

    /// <summary>The stage that a role switch interrupted.</summary>
    private WorkerPhase StageBefore { get; init; }

    public WorkerPhase Phase(bool breakerOpen) => Stage != WorkerPhase.Ready ? Stage
        : breakerOpen ? WorkerPhase.Broken
        : Misses > 0 || Unhealthy || Stalled || HasFailedLeg ? WorkerPhase.Suspect
        : WorkerPhase.Ready;

    public WorkerState Apply(WorkerInput input, ProbeLimits limits, DateTimeOffset now) => (input, Stage) switch
    {
        (_, WorkerPhase.Gone) => this,
        (WorkerInput.Remove, _) => this with { Stage = WorkerPhase.Gone, Since = now, Reason = "removed" },
        (WorkerInput.Patched patched, _) => this with { Spec = patched.Spec },
        (WorkerInput.Drain, WorkerPhase.Draining) => SwitchTo is null ? this : this with { SwitchTo = null, Reason = "draining" },
        (WorkerInput.SwitchEnded ended, WorkerPhase.Draining) when SwitchTo is { } role => SwitchEnded(ended.Switched, role, now),
        (WorkerInput.SwitchEnded, _) => this,
        (WorkerInput.Drain, _) => this with { Stage = WorkerPhase.Draining, Since = now, Reason = "draining" },
        (WorkerInput.Switch, WorkerPhase.Draining) => this,
        (WorkerInput.Switch to, _) => this with
        {
            Stage = WorkerPhase.Draining,
            StageBefore = Stage,
            SwitchTo = to.To,
            Since = now,
            Reason = $"draining, to become a {WireName.Of(to.To)} worker",
        },
        (_, WorkerPhase.Draining) => this,
        (WorkerInput.Capacity capacity, _) => Capacity(capacity),
        (WorkerInput.Described read, _) => Described(read.Facts, limits, now),
        (WorkerInput.Alive, _) => Alive(),
        (WorkerInput.LegFailed failed, WorkerPhase.Ready) => this with { HasFailedLeg = true, Reason = Reason ?? failed.Reason },
        (WorkerInput.LegFailed, _) => this,
        (WorkerInput.Missed missed, _) => Missed(missed, limits, now),
        (WorkerInput.Health health, _) => this with
        {
            Unhealthy = health.Problem is not null,
            Reason = Stage == WorkerPhase.Ready ? health.Problem ?? (Misses > 0 || Stalled ? Reason : null) : Reason,
        },
        (WorkerInput.ReadinessPassed passed, WorkerPhase.Probing) when passed.Epoch == Epoch =>
            this with
            {
                Stage = WorkerPhase.Ready,
                Since = now,
                Reason = null,
                Misses = 0,
                Refusals = 0,
                DownSince = null,
                Stalled = false
            },
        (WorkerInput.ReadinessPassed passed, WorkerPhase.Ready) when passed.Epoch == Epoch => this with { Stalled = false },
        (WorkerInput.ReadinessPassed, _) => this,
        (WorkerInput.ReadinessFailed failed, WorkerPhase.Probing) =>
            this with { Reason = HoldUntil == default ? failed.Reason : failed.Reason + OldPortsHint },
        (WorkerInput.ReadinessFailed, _) => this,
        (WorkerInput.FacadeOpened opened, _) =>
            opened.Epoch == Epoch ? this with { Facade = (opened.Host, opened.Port) } : this,
        (WorkerInput.Stall { Problem: null }, _) when !Stalled => this,
        (WorkerInput.Stall stall, WorkerPhase.Ready) => this with
        {
            Stalled = stall.Problem is not null,
            Reason = stall.Problem ?? (Misses > 0 || Unhealthy ? Reason : null),
        },
        (WorkerInput.Stall, _) => this,
        _ => throw new InvalidOperationException($"no transition for {input} in {Stage}"),
    };

    private WorkerState SwitchEnded(bool switched, WorkerRole role, DateTimeOffset now) => switched
        // Like a new engine at the same address: its facts are read and checked again, and all counters start at zero.
        ? this with
        {
            Spec = Spec with { Role = role },
            Stage = WorkerPhase.Registered,
            SwitchTo = null,
            Epoch = Epoch + 1,
            Facts = WorkerFacts.Unknown,
            WasDescribed = false,
            Misses = 0,
            Refusals = 0,
            DownSince = null,
            Unhealthy = false,
            Stalled = false,
            Since = now,
            Reason = "its role was switched",
        }
        : this with { Stage = StageBefore, SwitchTo = null, Since = now, Reason = null };

    private WorkerState Capacity(WorkerInput.Capacity reported)
    {
        if (!WasDescribed)
            return this;
        // Slots beyond the running limit (where requests wait for their KV) are not reported here: they stay.
        var extra = Facts is { SlotsPerRank: { } slots, MaxRunningPerRank: { } running } ? slots - running : 0;
        var facts = Facts with
        {
            MaxRunningPerRank = reported.MaxRunning ?? Facts.MaxRunningPerRank,
            SlotsPerRank = reported.MaxRunning is { } now ? now + extra : Facts.SlotsPerRank,
            TokenCapacityPerRank = reported.Tokens ?? Facts.TokenCapacityPerRank,
        };
        return facts == Facts ? this : this with { Facts = facts };
    }

    private WorkerState Alive() => Misses == 0 && Refusals == 0 && !HasFailedLeg ? this : this with
    {
        HasFailedLeg = false,
        Misses = 0,
        Refusals = 0,
        DownSince = null,
        Reason = Unhealthy || Stalled || Stage != WorkerPhase.Ready ? Reason : null,
    };

    private WorkerState Missed(WorkerInput.Missed missed, ProbeLimits limits, DateTimeOffset now)
    {
        var next = this with
        {
            Misses = Misses + 1,
            Refusals = missed.Refused ? Refusals + 1 : 0,
            DownSince = DownSince ?? now,
            Reason = missed.Reason,
        };
        var leave = Stage != WorkerPhase.Registered
            && (next.Refusals >= limits.RefusedToLeave || next.Misses >= limits.MissesToLeave);
        return leave ? next with { Stage = WorkerPhase.Registered, Since = now } : next;
    }

    private WorkerState Described(WorkerFacts facts, ProbeLimits limits, DateTimeOffset now)
    {
        var same = ProcessIdentity.Same(Facts.ProcessIdentity, facts.ProcessIdentity);
        var restarted = WasDescribed
            && (same == false || (same is null && Stage == WorkerPhase.Registered && DownSince is not null));
        var known = WasDescribed && !restarted && (same == true || Stage != WorkerPhase.Registered);
        var next = this with
        {
            Facts = known ? KeepName(facts) : facts,
            WasDescribed = true,
            HasFailedLeg = false,
            Misses = 0,
            Refusals = 0,
            DownSince = null,
        };
        if (restarted)
        {
            // Decode engines keep a prefill's rank ports until two heartbeats fail. After a longer absence they have dropped
            // them.
            var dropped = DownSince is { } down && now - down >= limits.PrefillHold;
            var hold = Spec.Role == WorkerRole.Prefill && !dropped && limits.PrefillHold > TimeSpan.Zero;
            return next with
            {
                Stage = WorkerPhase.Probing,
                Since = now,
                Epoch = Epoch + 1,
                HoldUntil = hold ? now + limits.PrefillHold : default,
                Facade = null,
                Unhealthy = false,
                Stalled = false,
                Reason = hold ? "restarted: held until decode engines have dropped its former addresses" : "restarted",
            };
        }
        return Stage == WorkerPhase.Registered
            ? next with { Stage = WorkerPhase.Probing, Since = now, Reason = "its readiness check has not succeeded yet" }
            : next with { Reason = Unhealthy || Stalled || Stage != WorkerPhase.Ready ? Reason : null };
    }

    /// <summary>
    /// An engine with updated weights reports their path as its name. Its partners are updated a moment earlier
    /// or later, so a name that changed at once would split the pair for that moment: the first name stays for the epoch.
    /// </summary>
    private WorkerFacts KeepName(WorkerFacts facts) => Facts switch
    {
        { ServedModelName: { } name } => facts with { ServedModelName = name },
        { ModelPath: { } path } => facts with { ModelPath = path, ServedModelName = null },
        _ => facts,
    };
}
