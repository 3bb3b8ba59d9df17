using System.Collections.Frozen;

namespace OrleansPd.Gateway.Generation;

/// <summary>
/// Resolves the name in a request to a served model. A name is a model's own name, a configured alias, the name of a loaded LoRA
/// adapter, or <c>base:adapter</c>, which engines split themselves.
/// </summary>
internal sealed class ModelNames(GatewayOptions options, IControlPlane controlPlane)
{
    private readonly FrozenDictionary<string, string> _aliases = options.ModelAlias
        .Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2)
        .ToFrozenDictionary(pair => pair[0].Trim(), pair => pair[1].Trim(), StringComparer.Ordinal);

    private volatile Adapters? _adapters;

    /// <summary>Additional names: aliases of served models and loaded adapters.</summary>
    public IEnumerable<OtherName> OtherNames
    {
        get
        {
            var fleet = controlPlane.Fleet;
            var adapters = AdaptersOf(fleet);
            foreach (var (alias, target) in _aliases.OrderBy(a => a.Key, StringComparer.Ordinal))
            {
                if (fleet.Models.Contains(target))
                {
                    yield return new(alias, target, IsAdapter: false);
                }
                else if (Adapter(target, fleet, adapters) is { Model: { } owner, Adapter: { } name }
                    && adapters.ContainsKey(name))
                {
                    yield return new(alias, owner, IsAdapter: true);
                }
            }
            foreach (var (adapter, owner) in adapters.OrderBy(a => a.Key, StringComparer.Ordinal))
                yield return new(adapter, owner, IsAdapter: true);
        }
    }

    /// <summary>
    /// If one model is served, any name is accepted (SGLang's tools send <c>default</c>), unless
    /// <see cref="GatewayOptions.StrictModel"/> is set. If several are served, the name must be known.
    /// </summary>
    public bool TryFind(string? name, out FoundModel found, out AnswerError? error)
    {
        error = null;
        found = default;
        var fleet = controlPlane.Fleet;
        var served = fleet.Models;
        if (name is not null)
        {
            var given = name;
            name = _aliases.GetValueOrDefault(name, name);
            if (served.Contains(name))
            {
                found = new(name, null);
                return true;
            }
            if (Adapter(name, fleet, AdaptersOf(fleet)) is { Model: not null } adapter)
            {
                found = adapter with { IsInName = adapter.IsInName && ReferenceEquals(given, name) };
                return true;
            }
        }
        if (served.Length == 0 || (served.Length == 1 && (name is null || !options.StrictModel)))
            return true;
        error = name is null
            ? new AnswerError(400, "model_required", $"Several models are served; name one: {string.Join(", ", served)}.",
                Param: "model")
            : new AnswerError(404, "model_not_found",
                $"The model '{name}' is not served here; served are: {string.Join(", ", served)}.", Param: "model");
        return false;
    }

    /// <summary>Resolves the name of an adapter, or <c>base:adapter</c>; default if it is neither.</summary>
    private FoundModel Adapter(string name, FleetSnapshot fleet, FrozenDictionary<string, string> adapters)
    {
        if (adapters.TryGetValue(name, out var owner))
            return new(owner, name);
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        if (colon < 1 || colon == name.Length - 1)
            return default;
        var model = _aliases.GetValueOrDefault(name[..colon], name[..colon]);
        return fleet.Models.Contains(model) ? new(model, name[(colon + 1)..]) { IsInName = true } : default;
    }

    private FrozenDictionary<string, string> AdaptersOf(FleetSnapshot fleet)
    {
        if (_adapters is { } known && ReferenceEquals(known.Fleet, fleet))
            return known.Names;
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var worker in fleet.Workers.Where(w => w.Model is not null && w.Facts.AdapterNames.Length > 0))
        {
            foreach (var name in worker.Facts.AdapterNames.Split('\n'))
                names.TryAdd(name, worker.Model!);
        }
        var found = new Adapters(fleet, names.ToFrozenDictionary(StringComparer.Ordinal));
        _adapters = found;
        return found.Names;
    }

    private sealed record Adapters(FleetSnapshot Fleet, FrozenDictionary<string, string> Names);
}

/// <param name="Model">The served model; null = any, because there is only one.</param>
/// <param name="Adapter">The adapter of the model; null = none, or the body names it in another member.</param>
internal readonly record struct FoundModel(string? Model, string? Adapter)
{
    /// <summary>The body's <c>model</c> is <c>base:adapter</c>, which the OpenAI routes of engines split themselves.</summary>
    public bool IsInName { get; init; }
}

/// <summary>An additional name of a model or of one of its adapters.</summary>
internal readonly record struct OtherName(string Name, string Model, bool IsAdapter);
