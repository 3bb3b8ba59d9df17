using System.Text.Json.Nodes;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Probes;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// One call to many engines at the same time: a control call acts on one engine, a caller of a gateway means all
/// of them. An engine that does not answer delays the others by no more than the call's time-out.
/// </summary>
internal sealed class EngineBroadcast(IControlPlane controlPlane, IUpstream upstream, TimeProvider clock)
{
    private readonly EngineCaller _caller = new(upstream, clock);

    /// <summary>
    /// The workers that a call is for: all, or those named by <c>?role=prefill|decode|regular</c> and <c>?worker=</c> (an id, or
    /// an engine's address; may be repeated). Engines do not get these two members.
    /// </summary>
    /// <param name="problem">Why the selection is refused; null when it is good.</param>
    public ImmutableArray<WorkerSnapshot> Select(IQueryCollection query, out string? problem)
    {
        problem = null;
        var workers = controlPlane.Fleet.Workers;
        if (query["role"].ToString() is { Length: > 0 } role)
        {
            if (!WireName.TryParse<WorkerRole>(role.ToLowerInvariant(), out var wanted))
            {
                problem = "'role' must be prefill, decode or regular.";
                return [];
            }
            workers = [.. workers.Where(w => w.Role == wanted)];
        }
        var named = query["worker"];
        if (named.Count == 0)
            return workers;
        if (named.FirstOrDefault(n => !workers.Any(w => IsNamed(w, n))) is { } unknown)
        {
            problem = $"No such worker has the id or address '{unknown}'.";
            return [];
        }
        return [.. workers.Where(w => named.Any(n => IsNamed(w, n)))];
    }

    private static bool IsNamed(WorkerSnapshot worker, string? given) =>
        given is not null && (WorkerNames.Names(given, worker.Id) || WorkerNames.Names(given, WorkerAddress.IdOf(worker.Url)));

    /// <summary>Calls the engine of each worker and returns their replies in the same order.</summary>
    /// <param name="path">Path and query on the engines.</param>
    /// <param name="body">JSON for all of them; empty = none.</param>
    /// <param name="timeout">Maximum wait for one engine.</param>
    public Task<BroadcastReply[]> CallAsync(
        ImmutableArray<WorkerSnapshot> workers, string method, string path, ReadOnlyMemory<byte> body, TimeSpan timeout,
        CancellationToken cancellationToken) =>
        Task.WhenAll(workers.Select(w => OneAsync(w, method, path, body, timeout, cancellationToken)));

    private async Task<BroadcastReply> OneAsync(
        WorkerSnapshot worker, string method, string path, ReadOnlyMemory<byte> body, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        var reply = await _caller.SendAsync(method, worker.Url, path, worker.ApiKey, body, timeout, cancellationToken);
        return reply.Problem is { } problem ? new(worker, 0, null, problem) : Read(worker, reply.Status, reply.Body);
    }

    private static BroadcastReply Read(WorkerSnapshot worker, int status, ReadOnlySpan<byte> text)
    {
        JsonNode? json = null;
        try
        {
            json = text.IsEmpty ? null : JsonNode.Parse(text);
            Secrets.Remove(json);
        }
        catch (JsonException)
        {
            json = JsonValue.Create(Masked(worker, Encoding.UTF8.GetString(text).Trim()));
        }
        // Engines quote the request in some answers, so the key is searched in all of the text.
        if (worker.ApiKey is { Length: > 0 } key && json is not null
            && json.ToJsonString().Contains(key, StringComparison.Ordinal))
        {
            json = null;
        }
        return new(worker, status, json, status == 200 ? null : $"{status}: {Masked(worker, ErrorBody.Extract(text).Trim())}");
    }

    private static string Masked(WorkerSnapshot worker, string text) =>
        worker.ApiKey is { Length: > 0 } key ? text.Replace(key, "***", StringComparison.Ordinal) : text;
}

/// <summary>The outcome of a call to one engine.</summary>
/// <param name="Status">Its HTTP status; 0 = no answer.</param>
/// <param name="Body">Its answer without secrets: JSON, or its text as a JSON string; null = empty.</param>
/// <param name="Problem">Why it failed; null when it did not.</param>
internal sealed record BroadcastReply(WorkerSnapshot Worker, int Status, JsonNode? Body, string? Problem)
{
    public bool IsGood => Problem is null;
    public string Url => Worker.Url.GetLeftPart(UriPartial.Authority);
}
