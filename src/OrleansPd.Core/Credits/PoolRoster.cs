namespace OrleansPd.Core.Credits;

/// <summary>
/// The members of one pool and the newest report of each, as a value. <see cref="Members"/> is stored; reports are not.
/// </summary>
public sealed record PoolRoster
{
    public static PoolRoster Empty { get; } = new();
    public ImmutableArray<WorkerMember> Members { get; init; } = [];
    public TargetSize TargetSize { get; init; }

    /// <summary>The highest registration assigned so far.</summary>
    public long LastRegistration { get; init; }

    /// <summary>Newest report of each member that has one.</summary>
    public ImmutableDictionary<WorkerId, WorkerReport> Reports { get; init; } = ImmutableDictionary<WorkerId, WorkerReport>.Empty;

    public WorkerMember? Find(WorkerId id) => Members.FirstOrDefault(m => m.Id == id);

    /// <summary>Adds workers that are not members yet.</summary>
    public PoolRoster Add(IEnumerable<WorkerSpec> specs, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(specs);
        var next = this;
        foreach (var spec in specs)
        {
            var id = spec.Id ?? WorkerAddress.IdOf(spec.Url);
            if (next.Find(id) is null)
            {
                // From the clock, so that it is higher than every earlier one of any pool, even if storage lost its records.
                var registration = Math.Max(next.LastRegistration + 1, now.UtcTicks);
                next = next with
                {
                    Members = next.Members.Add(new(id, spec with { Id = id }, registration)),
                    LastRegistration = registration
                };
            }
        }
        return next;
    }

    /// <summary>Sets the target size; null = unset.</summary>
    public PoolRoster Scale(int? targetSize, DateTimeOffset now) =>
        this with { TargetSize = new(targetSize, Math.Max(TargetSize.At + 1, now.UtcTicks)) };

    /// <summary>Restores a target size that a gateway remembers, if it is newer.</summary>
    public PoolRoster Restore(TargetSize remembered) =>
        remembered.At > TargetSize.At ? this with { TargetSize = remembered } : this;

    /// <summary>Restores members that gateways remember.</summary>
    public PoolRoster Adopt(IEnumerable<WorkerReport> known)
    {
        ArgumentNullException.ThrowIfNull(known);
        var next = this;
        foreach (var report in known.Where(r => r.Snapshot.Phase != WorkerPhase.Gone))
        {
            next = next.Find(report.Id) is null
                ? next with
                {
                    Members = next.Members.Add(new(report.Id, report.Spec, report.Registration)),
                    LastRegistration = Math.Max(next.LastRegistration, report.Registration),
                    Reports = next.Reports.SetItem(report.Id, report),
                }
                : next.Apply(report);
        }
        return next;
    }

    /// <summary>Stores a member's report if it is the newest.</summary>
    public PoolRoster Apply(WorkerReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (Find(report.Id) is not { } member || member.Registration != report.Registration
            || (Reports.TryGetValue(report.Id, out var known) && !report.IsNewerThan(known)))
        {
            return this;
        }
        // The report carries changes that the operator made since; they must be stored.
        var members = Same(member.Spec, report.Spec) ? Members : Members.Replace(member, member with { Spec = report.Spec });
        return this with { Members = members, Reports = Reports.SetItem(report.Id, report) };
    }

    public PoolRoster Forget(WorkerId id, long registration) => Find(id) is { } member && member.Registration == registration
        ? this with { Members = Members.Remove(member), Reports = Reports.Remove(id) }
        : this;

    private static bool Same(WorkerSpec left, WorkerSpec right)
    {
        var (l, r) = (left.Labels ?? ImmutableDictionary<string, string>.Empty, right.Labels
            ?? ImmutableDictionary<string, string>.Empty);
        return left with { Labels = null } == right with { Labels = null } && l.Count == r.Count && !l.Except(r).Any();
    }

    /// <summary>The newest report of each member.</summary>
    public ImmutableArray<WorkerReport> CurrentReports(DateTimeOffset now) =>
        [.. Members.Select(m => Reports.TryGetValue(m.Id, out var report) ? report : m.FirstReport(now))];
}
