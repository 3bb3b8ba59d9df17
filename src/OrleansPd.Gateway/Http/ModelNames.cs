using System.Collections.Frozen;
using OrleansPd.Core;
using OrleansPd.Core.Fleet;
using OrleansPd.Engines.Dispatch;

namespace OrleansPd.Gateway.Http;

/// <summary>
/// From the name in a request to the model that workers serve: the model's own name, an alias of the operator's, the name of a
/// LoRA adapter that engines have loaded, or <c>base:adapter</c>, which engines take apart themselves.
/// </summary>
internal sealed class ModelNames(GatewayOptions options, IControlPlane controlPlane)
{
    private readonly FrozenDictionary<string, string> _aliases = options.ModelAlias
        .Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2)
        .ToFrozenDictionary(pair => pair[0].Trim(), pair => pair[1].Trim(), StringComparer.Ordinal);

    private volatile Adapters? _adapters;

    /// <summary>Alias to model, of those aliases whose model is served.</summary>
    public IEnumerable<KeyValuePair<string, string>> Aliases
    {
        get
        {
            var served = controlPlane.Fleet.Models;
            return _aliases.Where(a => served.Contains(a.Value)).OrderBy(a => a.Key, StringComparer.Ordinal);
        }
    }

    /// <summary>Adapter to the model it belongs to.</summary>
    public IEnumerable<KeyValuePair<string, string>> LoadedAdapters => AdaptersOf(controlPlane.Fleet).OrderBy(a => a.Key, StringComparer.Ordinal);

    /// <summary>
    /// With one model any name passes, as SGLang's own tools send <c>default</c>, unless the operator is strict; with several the
    /// name must be known.
    /// </summary>
    public bool TryFind(string? name, out FoundModel found, out AnswerError? error)
    {
        error = null;
        found = default;
        var fleet = controlPlane.Fleet;
        var served = fleet.Models;
        if (name is not null)
        {
            name = _aliases.GetValueOrDefault(name, name);
            var colon = name.IndexOf(':', StringComparison.Ordinal);
            if (served.Contains(name))
            {
                found = new(name, null);
                return true;
            }
            if (AdaptersOf(fleet).TryGetValue(name, out var owner))
            {
                found = new(owner, name);
                return true;
            }
            if (colon > 0 && _aliases.GetValueOrDefault(name[..colon], name[..colon]) is var model && served.Contains(model))
            {
                found = new(model, null);
                return true;
            }
        }
        if (served.Length == 0 || (served.Length == 1 && (name is null || !options.StrictModel)))
        {
            return true;
        }
        error = name is null
            ? new AnswerError(400, "model_required", $"Several models are served; name one: {string.Join(", ", served)}.", Param: "model")
            : new AnswerError(404, "model_not_found", $"The model '{name}' is not served here; served are: {string.Join(", ", served)}.", Param: "model");
        return false;
    }

    private FrozenDictionary<string, string> AdaptersOf(FleetSnapshot fleet)
    {
        if (_adapters is { } known && ReferenceEquals(known.Fleet, fleet))
        {
            return known.Names;
        }
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var worker in fleet.Workers.Where(w => w.Model is not null && w.Facts.AdapterNames.Length > 0))
        {
            foreach (var name in worker.Facts.AdapterNames.Split('\n'))
            {
                names.TryAdd(name, worker.Model!);
            }
        }
        var found = new Adapters(fleet, names.ToFrozenDictionary(StringComparer.Ordinal));
        _adapters = found;
        return found.Names;
    }

    private sealed record Adapters(FleetSnapshot Fleet, FrozenDictionary<string, string> Names);
}

/// <param name="Model">The model that workers serve; null = any, since there is one.</param>
/// <param name="Adapter">The adapter that the engines are to be told; null = none, or the body tells it.</param>
internal readonly record struct FoundModel(string? Model, string? Adapter);
