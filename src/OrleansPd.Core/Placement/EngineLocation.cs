using OrleansPd.Core.Policies;

namespace OrleansPd.Core.Placement;

/// <summary>
/// Finds the silo nearest to an engine. The operator's labels <c>node</c> and <c>zone</c> locate an engine; without a node label
/// its address does: a silo with the engine's host as its host or node name is on the same machine.
/// </summary>
public static class EngineLocation
{
    /// <summary>Label of a worker: the machine of its engine, as in <c>--node</c> of the silo there.</summary>
    public const string Node = "node";

    /// <summary>Label of a worker: the zone of its engine, as in <c>--zone</c> of the silos there.</summary>
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
    /// The silo for a worker's grain: the nearest; among equally near ones by rendezvous hash, so that workers are spread evenly,
    /// all silos choose the same, and a silo that joins or leaves moves only its own workers. Null = there is no silo.
    /// </summary>
    public static SiloLocation? Choose(WorkerId worker, WorkerSpec engine, IEnumerable<SiloLocation> silos)
    {
        ArgumentNullException.ThrowIfNull(silos);
        var key = Hash.Of(worker.Value ?? "");
        return silos.MaxBy(silo => (Of(engine, silo), Hash.Mix(key ^ Hash.Of(silo.Silo))));
    }

    /// <summary>
    /// An engine that was added on a silo: with a loopback address and no node label it gets the silo's node and zone as labels.
    /// </summary>
    public static WorkerSpec NamedOn(SiloLocation silo, WorkerSpec engine)
    {
        ArgumentNullException.ThrowIfNull(silo);
        ArgumentNullException.ThrowIfNull(engine);
        if (!engine.Url.IsLoopback || Label(engine, Node) is not null)
            return engine;
        var labels = engine.Labels ?? ImmutableDictionary<string, string>.Empty;
        labels = silo.Node.Length > 0 ? labels.SetItem(Node, silo.Node) : labels;
        labels = silo.Zone.Length > 0 && !labels.ContainsKey(Zone) ? labels.Add(Zone, silo.Zone) : labels;
        return labels.IsEmpty ? engine : engine with { Labels = labels };
    }

    private static bool IsOnNode(WorkerSpec engine, SiloLocation silo)
    {
        if (Label(engine, Node) is { } node)
            return Same(node, silo.Node);
        if (engine.Url.IsLoopback)
        {
            return false; // a loopback address names no machine
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
