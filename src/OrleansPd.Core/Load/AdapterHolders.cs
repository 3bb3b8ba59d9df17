namespace OrleansPd.Core.Load;

/// <summary>Which workers of a set have which LoRA adapters, remembered for as long as they tell the same.</summary>
internal sealed class AdapterHolders(RankSet set)
{
    /// <summary>Clients may ask for any name: what is remembered is bounded.</summary>
    private const int Most = 256;

    private readonly Dictionary<string, bool[]> _bySlot = new(StringComparer.Ordinal);

    /// <param name="adapters">Names, one a line.</param>
    /// <returns>By slot, whether the worker has all of them.</returns>
    public bool[] Of(string adapters)
    {
        if (_bySlot.TryGetValue(adapters, out var known))
        {
            return known;
        }
        if (_bySlot.Count >= Most)
        {
            _bySlot.Clear();
        }
        var wanted = adapters.Split('\n');
        var workers = set.Workers;
        var has = new bool[workers.Length];
        for (var slot = 0; slot < has.Length; slot++)
        {
            var loaded = workers[slot]?.Facts.AdapterNames.Split('\n');
            has[slot] = loaded is not null && wanted.All(loaded.Contains);
        }
        _bySlot.Add(adapters, has);
        return has;
    }

    public void Clear() => _bySlot.Clear();
}
