using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// A worker as JSON: the members of the SGLang gateway's <c>WorkerInfo</c>, then ours. There is no member for the key.
/// </summary>
internal static class WorkerJson
{
    public static JsonObject Of(WorkerView view)
    {
        var worker = view.Worker;
        var json = new JsonObject
        {
            ["id"] = WorkerNames.IdOf(worker.Id),
            ["url"] = worker.Url.GetLeftPart(UriPartial.Authority),
            ["model_id"] = worker.Model ?? "unknown",
            ["priority"] = worker.Priority,
            ["cost"] = view.Cost,
            ["worker_type"] = WireName.Of(worker.Role),
            ["is_healthy"] = worker.IsPairable,
            ["load"] = view.InFlight + view.Ranks.Sum(r => r.Foreign),
            ["connection_mode"] = "http",
            ["runtime_type"] = "sglang",
        };
        if (worker.BootstrapPort is { } port)
            json["bootstrap_port"] = port;
        if (!worker.Labels.IsEmpty)
        {
            json["metadata"] = new JsonObject(worker.Labels.OrderBy(l => l.Key, StringComparer.Ordinal)
                .Select(l => KeyValuePair.Create(l.Key, (JsonNode?)l.Value)));
        }
        if (Job(view) is { } job)
            json["job_status"] = job;
        json["phase"] = WireName.Of(worker.Phase);
        json["reason"] = worker.Reason;
        json["since"] = view.Since.ToString("O");
        json["epoch"] = worker.Epoch;
        json["dp_size"] = worker.DpSize;
        json["in_flight"] = view.InFlight;
        json["ranks"] = new JsonArray([.. view.Ranks.Select(Rank)]);
        json["safe_to_kill"] = view.Safety.IsSafe;
        json["safe_to_kill_reason"] = view.Safety.Why;
        if (view.Silo is { } silo)
            json["silo"] = silo;
        json["version"] = worker.Facts.Version;
        json["transfer_group"] = worker.TransferGroup.Length == 0 ? null : worker.TransferGroup;
        return json;
    }

    private static JsonNode Rank(RankView rank) => new JsonObject
    {
        ["rank"] = rank.Rank,
        ["in_flight"] = rank.InFlight,
        ["foreign"] = rank.Foreign,
        ["window"] = rank.Capacity,
        ["tokens"] = rank.Tokens,
    };

    /// <summary>What is under way with the worker; null when nothing is.</summary>
    private static JsonObject? Job(WorkerView view)
    {
        var (type, status) = (view.Worker.Phase, view.SwitchTo) switch
        {
            (WorkerPhase.Registered or WorkerPhase.Probing, _) => ("AddWorker", "processing"),
            (WorkerPhase.Draining, null) => ("RemoveWorker", "processing"),
            (WorkerPhase.Draining, _) => ("SwitchRole", "processing"),
            (WorkerPhase.Gone, _) => ("RemoveWorker", "completed"),
            _ => (null, null),
        };
        return type is null ? null : new JsonObject
        {
            ["job_type"] = type,
            ["worker_url"] = view.Worker.Url.GetLeftPart(UriPartial.Authority),
            ["status"] = status,
            ["message"] = view.Worker.Reason,
            ["timestamp"] = view.Since.ToUnixTimeSeconds(),
        };
    }
}
