using System.Security.Cryptography;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// Ids of workers in URLs: a UUID computed from the worker's name, equal in all gateways and after a restart. The worker's
/// URL-encoded address is accepted in place of the id.
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

    /// <summary>The worker of that id or address; null where there is none.</summary>
    public static async Task<WorkerView?> FindAsync(IFleetAdmin admin, string given, CancellationToken cancellationToken)
    {
        var workers = await admin.ListAsync(cancellationToken);
        return workers.FirstOrDefault(w => Names(given, w.Worker.Id));
    }

    private static bool IsAddress(Uri url) => url.Scheme is "http" or "https" && url.Host.Length > 0;
}
