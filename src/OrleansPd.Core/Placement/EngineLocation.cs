using System.Collections.Immutable;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Placement;

/// <summary>
/// Which silo is beside an engine. The operator's labels <c>node</c> and <c>zone</c> say where an engine stands; without a node
/// its address does: a silo reached under the engine's host, or named like it, is on its machine.
/// </summary>
public static class EngineLocation
{
    /// <summary>Label of a worker: name of the machine its engine is on, as a silo there was told by <c>--node</c>.</summary>
    public const string Node = "node";

    /// <summary>Label of a worker: name of the zone its engine is in, as silos there were told by <c>--zone</c>.</summary>
    public const string Zone = "zone";

    public static Proximity Of(WorkerSpec engine, SiloLocation silo)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(silo);
        return IsOnNode(engine, silo) ? Proximity.SameNode
            : Label(engine, Zone) is { } zone && Same(zone, silo.Zone) ? Proximity.SameZone
            : Proximity.Elsewhere;
    }

    /// <summary>
    /// The silo for a worker's writer: the nearest; among equally near ones each worker has its own, so that workers are spread
    /// evenly, all silos choose alike, and one that leaves or comes moves no worker but its own. Null = there is no silo.
    /// </summary>
    public static SiloLocation? Choose(WorkerId worker, WorkerSpec engine, IEnumerable<SiloLocation> silos)
    {
        ArgumentNullException.ThrowIfNull(silos);
        var key = Hash.Of(worker.Value ?? "");
        return silos.MaxBy(silo => (Of(engine, silo), Hash.Mix(key ^ Hash.Of(silo.Silo))));
    }

    /// <summary>
    /// An engine as it was named on a silo: under an address that means the machine itself it stands where that silo does, unless
    /// its labels say otherwise.
    /// </summary>
    public static WorkerSpec NamedOn(SiloLocation silo, WorkerSpec engine)
    {
        ArgumentNullException.ThrowIfNull(silo);
        ArgumentNullException.ThrowIfNull(engine);
        if (!engine.Url.IsLoopback || Label(engine, Node) is not null)
        {
            return engine;
        }
        var labels = engine.Labels ?? ImmutableDictionary<string, string>.Empty;
        labels = silo.Node.Length > 0 ? labels.SetItem(Node, silo.Node) : labels;
        labels = silo.Zone.Length > 0 && !labels.ContainsKey(Zone) ? labels.Add(Zone, silo.Zone) : labels;
        return labels.IsEmpty ? engine : engine with { Labels = labels };
    }

    private static bool IsOnNode(WorkerSpec engine, SiloLocation silo)
    {
        if (Label(engine, Node) is { } node)
        {
            return Same(node, silo.Node);
        }
        if (engine.Url.IsLoopback)
        {
            return false; // the machine of whoever asks: it names none
        }
        var host = WorkerAddress.Host(engine.Url).Trim('[', ']');
        return Same(host, silo.Host) || Same(host, silo.Node)
            || (engine.Url.HostNameType == UriHostNameType.Dns && Same(host.Split('.')[0], silo.Node));
    }

    private static string? Label(WorkerSpec engine, string name) =>
        engine.Labels is { } labels && labels.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

    private static bool Same(string name, string other) =>
        name.Length > 0 && name.Equals(other, StringComparison.OrdinalIgnoreCase);
}
