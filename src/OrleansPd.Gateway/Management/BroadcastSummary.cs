using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Management;

/// <summary>The replies of many engines as one answer: whether all succeeded, and the reply of each.</summary>
internal static class BroadcastSummary
{
    /// <summary>
    /// 200: all succeeded; 206: some did; 503: there is no engine; the engines' status where all refused with the same one; else
    /// 502.
    /// </summary>
    public static int StatusOf(IReadOnlyCollection<BroadcastReply> replies)
    {
        var failed = replies.Where(s => !s.IsGood).ToArray();
        return (replies.Count, failed.Length) switch
        {
            (0, _) => 503,
            (_, 0) => 200,
            var (all, bad) when bad < all => 206,
            _ => failed[0].Status is >= 400 and < 600 and var first && failed.All(f => f.Status == first) ? first : 502,
        };
    }

    /// <summary>
    /// <c>successful</c>, <c>failed</c>, <c>total_workers</c> and <c>message</c> as in the SGLang gateway's flush; <c>success</c>
    /// and <c>status</c> where clients of one engine look for them; <c>results</c> with the reply of each engine.
    /// </summary>
    public static JsonObject Of(IReadOnlyCollection<BroadcastReply> replies, string did) => new()
    {
        ["success"] = replies.Count > 0 && replies.All(s => s.IsGood),
        ["status"] = StatusOf(replies) switch { 200 => "ok", 206 => "partial", _ => "failed" },
        ["message"] = replies.Count == 0 ? "No worker is registered that this is for."
            : $"{replies.Count(s => s.IsGood)} of {replies.Count} workers {did}.",
        ["successful"] = new JsonArray([.. replies.Where(s => s.IsGood).Select(s => (JsonNode)s.Url)]),
        ["failed"] = new JsonArray([.. replies.Where(s => !s.IsGood).Select(s => (JsonNode)new JsonArray(s.Url, s.Problem))]),
        ["total_workers"] = replies.Count,
        ["http_workers"] = replies.Count,
        ["results"] = new JsonArray([.. replies.Select(s => (JsonNode)ResultOf(s))]),
    };

    private static JsonObject ResultOf(BroadcastReply reply) => new()
    {
        ["worker"] = reply.Url,
        ["worker_id"] = WorkerNames.IdOf(reply.Worker.Id),
        ["worker_type"] = WireName.Of(reply.Worker.Role),
        ["status"] = reply.Status == 0 ? null : reply.Status,
        ["body"] = reply.Body?.DeepClone(),
        ["error"] = reply.Problem,
    };
}
