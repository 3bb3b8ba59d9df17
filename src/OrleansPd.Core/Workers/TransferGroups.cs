namespace OrleansPd.Core.Workers;

/// <summary>
/// Groups the workers that can exchange KV: model, version, page size, KV dtype and transport must be equal. A fact that an
/// engine does not report (Rust front ends report few) matches anything, but a worker joins one group only: the first that
/// matches. Workers with the most known facts are grouped first.
/// </summary>
internal static class TransferGroups
{
    /// <summary>The group of each worker, in the order given. Regular workers have none.</summary>
    public static string[] Assign(IReadOnlyList<(WorkerRole Role, string? Model, WorkerFacts Facts)> workers)
    {
        var groups = new List<string?[]>();
        var joined = new string?[]?[workers.Count];
        var terms = workers.Select(w => Terms(w.Model, w.Facts)).ToArray();
        foreach (var i in Enumerable.Range(0, workers.Count).OrderBy(i => terms[i].Count(t => t is null)))
            joined[i] = workers[i].Role == WorkerRole.Regular ? null : Join(groups, terms[i]);
        return [.. joined.Select(g => g is null ? "" : string.Join('|', g.Select(t => t ?? "?")))];
    }

    /// <summary>The facts in which two workers differ, for people.</summary>
    public static string Difference(WorkerSnapshot worker, WorkerSnapshot other)
    {
        var (here, there) = (Terms(worker.Model, worker.Facts), Terms(other.Model, other.Facts));
        var differ = Enumerable.Range(0, here.Length)
            .Where(i => here[i] is not null && there[i] is not null && here[i] != there[i])
            .Select(i => $"{Names[i]} {here[i]}, {other.Id} has {there[i]}").ToArray();
        return differ.Length > 0 ? string.Join("; ", differ) : $"{other.Id} is in another group";
    }

    private static readonly string[] Names = ["model", "version", "page size", "KV dtype", "transport"];

    private static string?[] Terms(string? model, WorkerFacts facts) =>
        [model, facts.Version, facts.PageSize?.ToString(), facts.KvCacheDtype, facts.TransferBackend];

    private static string?[] Join(List<string?[]> groups, string?[] terms)
    {
        var group = groups.FirstOrDefault(g => g.Zip(terms).All(t => t.First is null || t.Second is null || t.First == t.Second));
        if (group is null)
            groups.Add(group = new string?[terms.Length]);
        for (var i = 0; i < terms.Length; i++)
        {
            group[i] ??= terms[i]; // later members must match all facts known by then
        }
        return group;
    }
}
