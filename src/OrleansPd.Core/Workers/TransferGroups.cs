namespace OrleansPd.Core.Workers;

/// <summary>
/// Says who can exchange KV: model, build, page size, KV dtype and transport must agree. What an engine does not tell (Rust
/// front ends tell little) fits anything, but a worker joins one group only: the first that fits, where the workers that tell
/// most come first.
/// </summary>
internal static class TransferGroups
{
    /// <summary>The group of each worker, in the order given. Regular workers have none.</summary>
    public static string[] Assign(IReadOnlyList<(WorkerRole Role, string? Model, WorkerFacts Facts)> workers)
    {
        var groups = new List<string?[]>();
        var joined = new string?[]?[workers.Count];
        var told = workers.Select(w => Terms(w.Model, w.Facts)).ToArray();
        foreach (var i in Enumerable.Range(0, workers.Count).OrderBy(i => told[i].Count(t => t is null)))
        {
            joined[i] = workers[i].Role == WorkerRole.Regular ? null : Join(groups, told[i]);
        }
        return [.. joined.Select(g => g is null ? "" : string.Join('|', g.Select(t => t ?? "?")))];
    }

    /// <summary>In which terms two workers disagree, for people.</summary>
    public static string Difference(WorkerSnapshot worker, WorkerSnapshot other)
    {
        var (here, there) = (Terms(worker.Model, worker.Facts), Terms(other.Model, other.Facts));
        var differ = Enumerable.Range(0, here.Length)
            .Where(i => here[i] is not null && there[i] is not null && here[i] != there[i])
            .Select(i => $"{Names[i]} {here[i]}, {other.Id} has {there[i]}").ToArray();
        return differ.Length > 0 ? string.Join("; ", differ) : $"{other.Id} is of another group";
    }

    private static readonly string[] Names = ["model", "version", "page size", "KV dtype", "transport"];

    private static string?[] Terms(string? model, WorkerFacts facts) =>
        [model, facts.Version, facts.PageSize?.ToString(), facts.KvCacheDtype, facts.TransferBackend];

    private static string?[] Join(List<string?[]> groups, string?[] terms)
    {
        var group = groups.FirstOrDefault(g => g.Zip(terms).All(t => t.First is null || t.Second is null || t.First == t.Second));
        if (group is null)
        {
            groups.Add(group = new string?[terms.Length]);
        }
        for (var i = 0; i < terms.Length; i++)
        {
            group[i] ??= terms[i]; // who joins later must agree with all that is known by then
        }
        return group;
    }
}
