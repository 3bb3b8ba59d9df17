namespace OrleansPd.Standalone.Facade;

/// <summary>
/// Chooses the port for an epoch of a prefill. Decode engines cache data under <c>host:port</c> while that address answers, so an
/// address must not be reused for another process. In a range the port is a hash of the process identity: a restarted gateway
/// finds the same port for the same prefill process, and most likely another one for a new process.
/// </summary>
internal sealed class FacadePorts(PortRange? range)
{
    /// <summary>Ports to try, in order of preference; 0 = any free port.</summary>
    public IEnumerable<int> For(WorkerSnapshot prefill, IReadOnlySet<int> taken)
    {
        if (range is not { } ports)
        {
            yield return 0;
            yield break;
        }
        var start = (int)(Hash($"{prefill.Id}|{prefill.Facts.ProcessIdentity ?? $"{prefill.Epoch}"}") % (uint)ports.Count);
        for (var i = 0; i < ports.Count; i++)
        {
            var port = ports.First + ((start + i) % ports.Count);
            if (!taken.Contains(port))
                yield return port;
        }
    }

    /// <summary>FNV-1a: the same in every process, unlike <c>GetHashCode</c>.</summary>
    private static uint Hash(string text)
    {
        var hash = 2166136261u;
        foreach (var character in text)
            hash = (hash ^ character) * 16777619u;
        return hash;
    }
}
