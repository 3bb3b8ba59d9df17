using System.Security.Cryptography;
using System.Text;
using OrleansPd.Core.Workers;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// Names of workers in URLs: a UUID made of the worker's name, equal in all gateways and after a restart. Where an id is wanted
/// the worker's address, URL-encoded, is taken too.
/// </summary>
internal static class WorkerNames
{
    public static string IdOf(WorkerId worker) =>
        new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(worker.Value)).AsSpan(0, 16), bigEndian: true).ToString();

    public static bool Names(string given, WorkerId worker)
    {
        var text = Uri.UnescapeDataString(given);
        return string.Equals(text, IdOf(worker), StringComparison.OrdinalIgnoreCase) || text == worker.Value
            || (Uri.TryCreate(text, UriKind.Absolute, out var url) && IsAddress(url) && WorkerAddress.IdOf(url) == worker);
    }

    private static bool IsAddress(Uri url) => url.Scheme is "http" or "https" && url.Host.Length > 0;
}
