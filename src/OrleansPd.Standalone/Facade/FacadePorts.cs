using OrleansPd.Core.Options;
using OrleansPd.Core.Workers;

namespace OrleansPd.Standalone.Facade;

/// <summary>
/// Which port a life of a prefill gets. Decode engines keep what they learned under <c>host:port</c> for as long as that address
/// answers, so an address must not come to mean another process. In a range the port follows from who the process is: a gateway
/// that is restarted finds the same port for a prefill that is still the same, and most likely another for one that is not.
/// </summary>
internal sealed class FacadePorts(PortRange? range)
{
    /// <summary>Ports to try, the best first; 0 = any free one.</summary>
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
            {
                yield return port;
            }
        }
    }

    /// <summary>FNV-1a: the same in every process, which <c>GetHashCode</c> is not.</summary>
    private static uint Hash(string text)
    {
        var hash = 2166136261u;
        foreach (var character in text)
        {
            hash = (hash ^ character) * 16777619u;
        }
        return hash;
    }
}
