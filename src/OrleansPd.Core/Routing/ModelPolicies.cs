using OrleansPd.Core.Policies;

namespace OrleansPd.Core.Routing;

/// <summary>The policies of each model: its own if the operator named some, else the shared ones.</summary>
internal sealed class ModelPolicies
{
    private readonly Dictionary<string, PoolPolicies> _own = new(StringComparer.Ordinal);
    private readonly PoolPolicies _shared;

    /// <exception cref="ArgumentException">A policy's name is wrong, or a model has two.</exception>
    public ModelPolicies(ControlPlaneOptions options, Random random, AffinityUpdates? updates = null)
    {
        _shared = PoolPolicies.Create(
            options.PrefillPolicy ?? options.Policy,
            options.DecodePolicy ?? PolicyTable.OnDecode(options.Policy), options, random, updates);
        foreach (var text in options.ModelPolicy)
        {
            var spec = ModelPolicySpec.TryParse(text, out var problem) ?? throw new ArgumentException(problem, nameof(options));
            _own.Add(spec.Model, PoolPolicies.Create(spec.Prefill, spec.Decode, options, random, updates));
        }
        NeedsPrefix = _own.Values.Append(_shared).Any(p => p.Picker.NeedsPrefix);
    }

    public bool NeedsPrefix { get; }

    public PoolPolicies Of(ModelPool pool) => Of(pool.Model);

    public PoolPolicies Of(string? model) =>
        _own.Count > 0 && model is not null && _own.TryGetValue(model, out var own) ? own : _shared;

    public void CachesFlushed(int slot)
    {
        _shared.Picker.CachesFlushed(slot);
        foreach (var own in _own.Values)
            own.Picker.CachesFlushed(slot);
    }
}

/// <summary>The policies of a pool.</summary>
/// <param name="Prefill">Name of the policy for prefill and regular workers.</param>
/// <param name="Decode">Name of the policy for decode workers.</param>
/// <param name="Picker">Picks pairs with both.</param>
/// <param name="Routes">Decides between pairs and regular workers.</param>
internal sealed record PoolPolicies(string Prefill, string Decode, PairPicker Picker, RoutePicker Routes)
{
    public static PoolPolicies Create(
        string prefill, string decode, ControlPlaneOptions options, Random random, AffinityUpdates? updates)
    {
        var (first, second) = (PolicyTable.Create(prefill, options), PolicyTable.Create(decode, options));
        (first.Updates, first.Side) = (updates, LegSide.Prefill);
        (second.Updates, second.Side) = (updates, LegSide.Decode);
        var picker = new PairPicker(first, second, random);
        return new(prefill, decode, picker, new RoutePicker(picker, options));
    }
}
