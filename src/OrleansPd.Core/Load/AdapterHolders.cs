namespace OrleansPd.Core.Load;

/// <summary>Which workers of a set have which LoRA adapters, cached until a worker reports other adapters.</summary>
internal sealed class AdapterHolders(RankSet set)
{
    /// <summary>Maximum number of cached names: clients may ask for any.</summary>
    private const int MaxNames = 256;

    private readonly Dictionary<string, bool[]> _bySlot = new(StringComparer.Ordinal);

    /// <param name="adapters">Names, one per line.</param>
    /// <returns>By slot, whether the worker has all of them.</returns>
    public bool[] Of(string adapters)
    {
        if (_bySlot.TryGetValue(adapters, out var known))
            return known;
        if (_bySlot.Count >= MaxNames)
            _bySlot.Clear();
        var names = adapters.Split('\n');
        var workers = set.Workers;
        var has = new bool[workers.Length];
        for (var slot = 0; slot < has.Length; slot++)
        {
            var loaded = workers[slot]?.Facts.AdapterNames.Split('\n');
            has[slot] = loaded is not null && names.All(loaded.Contains);
        }
        _bySlot.Add(adapters, has);
        return has;
    }

    public void Clear() => _bySlot.Clear();
}
