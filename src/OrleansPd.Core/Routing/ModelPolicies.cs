using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Routing;

/// <summary>The policies of each model: its own where its operator named some, else those that all models share.</summary>
internal sealed class ModelPolicies
{
    private readonly Dictionary<string, PoolPolicies> _own = new(StringComparer.Ordinal);
    private readonly PoolPolicies _shared;

    /// <exception cref="ArgumentException">A policy's name is wrong, or a model has two.</exception>
    public ModelPolicies(ControlPlaneOptions options, Random random, AffinityUpdates? news = null)
    {
        _shared = PoolPolicies.Create(
            options.PrefillPolicy ?? options.Policy,
            options.DecodePolicy ?? PolicyTable.OnDecode(options.Policy), options, random, news);
        foreach (var text in options.ModelPolicy)
        {
            try
            {
                var spec = ModelPolicySpec.Parse(text);
                _own.Add(spec.Model, PoolPolicies.Create(spec.Prefill, spec.Decode, options, random, news));
            }
            catch (FormatException e)
            {
                throw new ArgumentException(e.Message, nameof(options), e);
            }
        }
        NeedsPrefix = _own.Values.Append(_shared).Any(p => p.Picker.NeedsPrefix);
    }

    /// <summary>True when a policy of some model reads prefixes.</summary>
    public bool NeedsPrefix { get; }

    public PoolPolicies Of(ModelPool pool) => Of(pool.Model);

    public PoolPolicies Of(string? model) =>
        _own.Count > 0 && model is not null && _own.TryGetValue(model, out var own) ? own : _shared;

    /// <summary>The worker's caches are gone.</summary>
    public void Forget(int slot)
    {
        _shared.Picker.Forget(slot);
        foreach (var own in _own.Values)
        {
            own.Picker.Forget(slot);
        }
    }
}

/// <summary>What chooses for a pool.</summary>
/// <param name="Prefill">Name of the policy for prefill and regular workers.</param>
/// <param name="Decode">Name of the policy for decode workers.</param>
/// <param name="Picker">The two at work.</param>
/// <param name="Routes">Decides between pairs and regular workers.</param>
internal sealed record PoolPolicies(string Prefill, string Decode, PairPicker Picker, RoutePicker Routes)
{
    public static PoolPolicies Create(
        string prefill, string decode, ControlPlaneOptions options, Random random, AffinityUpdates? news)
    {
        var (first, second) = (PolicyTable.Create(prefill, options), PolicyTable.Create(decode, options));
        (first.News, first.Side) = (news, LegSide.Prefill);
        (second.News, second.Side) = (news, LegSide.Decode);
        var picker = new PairPicker(first, second, random);
        return new(prefill, decode, picker, new RoutePicker(picker, options));
    }
}
